"""Spring materials and their shear modulus G."""

from web import Request, Response, json_response

MEGAPASCALS = {
    "music-wire": 79_300.0,
    "stainless-302": 69_000.0,
    "chrome-silicon": 77_200.0,
    "chrome-vanadium": 77_200.0,
    "phosphor-bronze": 41_400.0,
}
DEFAULT = "music-wire"
PSI_PER_MEGAPASCAL = 145.037738


def shear_modulus(material: str, units: str) -> float:
    """G in N/mm2 for ``units`` "mm", in lbf/in2 for "in"."""
    modulus = MEGAPASCALS[material]
    return modulus if units == "mm" else modulus * PSI_PER_MEGAPASCAL


async def listing(request: Request) -> Response:
    """``GET /api/materials``: names and G in MPa."""
    items = [{"name": name, "shearModulusMPa": value} for name, value in MEGAPASCALS.items()]
    return json_response({"items": items})
