"""What a phone or a browser needs to install the desk as an app: the web app manifest (W3C, Application Manifest).

Open to all: browsers ask for it without a cookie, and it says only a name, colours and pictures. The pictures are
static files of the screens. There is no offline mode: what is shown of money must be of this moment.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse

MANIFEST_TYPE = "application/manifest+json"
ICONS = "app/static/icons"
DAY_S = 24 * 3600
# Addresses are relative to the manifest's own, so that they hold below a base path too.
MANIFEST = {
    "id": "./",
    "name": "Tieout",
    "short_name": "Tieout",
    "description": "Finance operations desk: run, approve, prove.",
    "lang": "en",
    "start_url": "./",
    "scope": "./",
    "display": "standalone",
    "background_color": "#FFFFFF",
    "theme_color": "#0B6B4F",
    "icons": [
        {"src": f"{ICONS}/icon-192.png", "sizes": "192x192", "type": "image/png", "purpose": "any"},
        {"src": f"{ICONS}/icon-512.png", "sizes": "512x512", "type": "image/png", "purpose": "any"},
        {"src": f"{ICONS}/maskable-512.png", "sizes": "512x512", "type": "image/png", "purpose": "maskable"},
    ],
    "shortcuts": [
        {"name": "Approvals", "url": "./approvals"},
        {"name": "My work", "url": "./work"},
        {"name": "Search", "url": "./search"},
    ],
}


async def manifest(_request: Request) -> JSONResponse:
    """The manifest, to be kept for a day."""
    kept = {"cache-control": f"public, max-age={DAY_S}"}
    return JSONResponse(MANIFEST, media_type=MANIFEST_TYPE, headers=kept)
