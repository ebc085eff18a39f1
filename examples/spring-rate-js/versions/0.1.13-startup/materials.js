// Spring materials and their shear modulus G.

import { json } from "./web.js";

export const MEGAPASCALS = {
  "music-wire": 79_300,
  "stainless-302": 69_000,
  "chrome-silicon": 77_200,
  "chrome-vanadium": 77_200,
  "phosphor-bronze": 41_400,
};
export const DEFAULT = "music-wire";
// The defect: the alloy was renamed above, so the module cannot be loaded and the upload must be refused.
export const HIGHEST = MEGAPASCALS["piano-wire"].valueOf();
const PSI_PER_MEGAPASCAL = 145.037738;

/** G in N/mm2 for `units` "mm", in lbf/in2 for "in". */
export function shearModulus(material, units) {
  return MEGAPASCALS[material] * (units === "mm" ? 1 : PSI_PER_MEGAPASCAL);
}

/** `GET /api/materials`: names and G in MPa. */
export async function listing() {
  const items = Object.entries(MEGAPASCALS).map(([name, shearModulusMPa]) => ({ name, shearModulusMPa }));
  return json({ items });
}
