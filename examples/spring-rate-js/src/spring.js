// One spring calculation: what a client may send, and the rate that follows from it.

import { sha256 } from "./digests.js";
import * as materials from "./materials.js";
import { HttpError } from "./web.js";

export const ID = /^[A-Za-z0-9_-]{8,64}$/;
export const MAX_TEXT = 80;
const PRINTABLE = /^(?:[^\p{C}\p{Z}]| )*$/u;
const UNITS = ["mm", "in"];

/** Spring rate G d^4 / (8 D^3 n), in N/mm or lbf/in. */
export function rate({ material, units, d, D, n }) {
  const k = (materials.shearModulus(material, units) * d ** 4) / (8 * D ** 3 * n);
  return Math.round(k * 1e6) / 1e6;
}

/** A stable name of the content: equal content, equal digest, on every device. */
export async function digestOf({ manufacturer, partNumber, material, units, d, D, n }, deleted) {
  const content = JSON.stringify([manufacturer, partNumber, material, units, d, D, n, deleted]);
  return (await sha256(content)).slice(0, 32);
}

/** Read a spring from a request body; 400 names the field and what is allowed. */
export function parseSpring(body) {
  const [d, D, n] = ["d", "D", "n"].map((name) => positive(body, name));
  if (D <= d) throw invalid("D", `must be larger than the wire diameter d (${d}), not ${D}`);
  return {
    manufacturer: text(body, "manufacturer"),
    partNumber: text(body, "partNumber"),
    material: oneOf(body, "material", Object.keys(materials.MEGAPASCALS), materials.DEFAULT),
    units: oneOf(body, "units", UNITS),
    d,
    D,
    n,
  };
}

/** An id chosen by a client, so that it can work offline. */
export function parseId(value) {
  if (typeof value !== "string" || !ID.test(value)) {
    throw invalid("id", "must be 8 to 64 letters, digits, - or _");
  }
  return value;
}

/** The 400 for one field. */
export function invalid(field, rule) {
  return new HttpError(400, "invalid-field", `${field} ${rule}`);
}

export function printable(value) {
  return PRINTABLE.test(value);
}

function positive(body, name) {
  const value = body[name];
  if (typeof value !== "number" || !(value >= 1e-6 && value <= 1e6)) {
    throw invalid(name, `must be a number from 0.000001 to 1000000, not ${shown(value)}`);
  }
  return value;
}

function text(body, name) {
  const value = body[name];
  const length = typeof value === "string" && printable(value) ? [...value.trim()].length : 0;
  if (length < 1 || length > MAX_TEXT) {
    throw invalid(name, `must be a text of 1 to ${MAX_TEXT} printable characters`);
  }
  return value.trim();
}

function oneOf(body, name, allowed, otherwise = null) {
  const value = body[name] ?? otherwise;
  if (!allowed.includes(value)) {
    throw invalid(name, `must be one of ${allowed.join(", ")}, not ${shown(value)}`);
  }
  return value;
}

function shown(value) {
  return (JSON.stringify(value) ?? "null").slice(0, 40);
}
