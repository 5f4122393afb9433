"""Small drawings of what a base is good for: a photo, a drawing, a painting, our own demo's avatar.

They are drawn here, by no model and after no picture. Each has its own ground, so that it stands on light and on dark.
"""

WORDS = {
    "photo": "photos: light, depth, skin", "drawing": "drawings: lines, flat colours, large eyes",
    "painting": "paintings: visible strokes", "demo": "avatars of the demo",
}  # fmt: skip
INK = 'stroke="#2b2233" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"'
PHOTO = """
<defs><linearGradient id="{key}s" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#5b8fc7"/>
<stop offset=".62" stop-color="#f2d6b3"/></linearGradient>
<radialGradient id="{key}f" cx=".36" cy=".34" r=".8"><stop offset="0" stop-color="#f3cfb2"/>
<stop offset=".6" stop-color="#c98f6b"/><stop offset="1" stop-color="#6d412c"/></radialGradient>
<linearGradient id="{key}c" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="#5f7f8c"/>
<stop offset="1" stop-color="#22343d"/></linearGradient></defs>
<rect width="160" height="100" fill="url(#{key}s)"/><circle cx="30" cy="40" r="8" fill="#fff3d6" opacity=".9"/>
<path d="M0 62Q26 44 52 58T112 50T160 60V100H0z" fill="#7d8fa0" opacity=".75"/>
<path d="M0 76Q34 60 70 74T160 70V100H0z" fill="#4f6a4a"/><path d="M0 88Q50 76 160 86V100H0z" fill="#33482f"/>
<path d="M76 100Q78 76 98 72H118Q138 76 142 100z" fill="url(#{key}c)"/>
<path d="M101 62H116V76Q108 82 101 76z" fill="#a56e4e"/><ellipse cx="108" cy="48" rx="16" ry="20" fill="url(#{key}f)"/>
<path d="M91 50Q88 24 108 24T126 50Q124 36 112 35Q98 35 94 44z" fill="#3a241a"/>
<path d="M99 48q3-2 5 0M112 48q3-2 5 0" stroke="#3a241a" stroke-width="1.6" fill="none"/>
<path d="M108 49q2 6-1 7M103 60q5 2.6 9 0" stroke="#7c4a35" stroke-width="1.3" fill="none"/>"""
DRAWING = """
<rect width="160" height="100" fill="#fbe9f1"/>
<path d="M0 100L40 0H64L24 100zM92 100L132 0H156L116 100z" fill="#f6d3e4"/>
<path d="M46 100Q38 20 80 16T114 100z" fill="#6a7fd6" {ink}/>
<path d="M58 100Q60 84 72 82H88Q100 84 102 100z" fill="#fff" {ink}/><path d="M72 82L80 92L88 82" fill="none" {ink}/>
<path d="M56 46Q56 78 80 82Q104 78 104 46Q96 30 80 30T56 46z" fill="#ffeadf" {ink}/>
<path d="M54 52Q54 26 80 24T106 52Q102 42 95 36Q96 44 92 48Q88 38 80 34Q76 46 64 50Q66 44 65 40Q57 44 54 52z"
 fill="#8698ea" {ink}/>
<ellipse cx="69" cy="57" rx="5.4" ry="7.4" fill="#3f3a8c"/><ellipse cx="91" cy="57" rx="5.4" ry="7.4" fill="#3f3a8c"/>
<path d="M62 52q7-6 14 0M84 52q7-6 14 0" fill="none" stroke="#2b2233" stroke-width="2.4" stroke-linecap="round"/>
<circle cx="67" cy="54" r="2" fill="#fff"/><circle cx="89" cy="54" r="2" fill="#fff"/>
<path d="M76 72q4 3 8 0" fill="none" {ink}/><path d="M60 67h6M94 67h6" stroke="#f29bb0" stroke-width="2.4"/>"""
PAINTING = """
<rect width="160" height="100" fill="#27406b"/><g fill="none" stroke-linecap="round" stroke-width="6" opacity=".9">
<path d="M-4 14Q40 2 78 14T164 8" stroke="#3b62a0"/><path d="M-4 28Q36 16 66 28T164 22" stroke="#5583bb"/>
<path d="M-4 42Q46 30 86 42T164 34" stroke="#86a6c8"/><path d="M-4 54Q30 46 70 54T164 48" stroke="#e3b878"/>
<path d="M-4 64Q44 56 84 64T164 60" stroke="#d98c4a"/><path d="M-4 74Q40 66 90 76T164 70" stroke="#49683c"/>
<path d="M-4 84Q50 76 96 86T164 82" stroke="#6d8a3f"/><path d="M-4 95Q40 88 92 97T164 94" stroke="#93a548"/></g>
<circle cx="118" cy="24" r="11" fill="#f6dd92"/><path d="M109 24a9 9 0 0 1 18 0M113 24a5 5 0 0 1 10 0" fill="none"
 stroke="#e2b450" stroke-width="3" stroke-linecap="round"/>
<g stroke-linecap="round" stroke-width="5" fill="none"><path d="M36 92Q32 66 38 40" stroke="#2c3a2a"/>
<path d="M42 90Q48 62 39 36" stroke="#3d5236"/><path d="M30 92Q24 72 37 44" stroke="#1f2b22"/></g>"""
DEMO = """
<rect width="160" height="100" fill="#6bbf73"/><path d="M52 100Q54 80 80 80T108 100z" fill="#3238c0"/>
<path d="M52 74Q44 22 80 20T108 74z" fill="#7d5a4a"/><ellipse cx="80" cy="52" rx="24" ry="27" fill="#e8b79a"/>
<path d="M55 48Q58 24 80 24T105 48Q92 34 80 36T55 48z" fill="#8f6a58"/>
<circle cx="70" cy="53" r="4" fill="#2b1c18"/><circle cx="90" cy="53" r="4" fill="#2b1c18"/>
<path d="M73 67q7 5 14 0" fill="none" stroke="#8a2f35" stroke-width="3" stroke-linecap="round"/>"""
DRAWINGS = {"photo": PHOTO, "drawing": DRAWING, "painting": PAINTING, "demo": DEMO}


def kind_of(good_for: str) -> str:
    """Which of the drawings shows it best; "" for none: of several words the first counts."""
    places = {kind: good_for.find(kind) for kind in DRAWINGS if kind in good_for}
    return min(places, key=lambda kind: places[kind]) if places else ""


def draw(kind: str, key: str, width: int = 160) -> str:
    """SVG of a drawing; `key` is another one for each place in the page."""
    inside = DRAWINGS[kind].replace("{key}", key).replace("{ink}", INK)
    return (
        f'<svg viewBox="0 0 160 100" width="{width}" role="img" aria-label="{WORDS[kind]}" '
        f'style="border-radius:6px;display:block;flex:none"><title>{WORDS[kind]}</title>{inside}</svg>'
    )
