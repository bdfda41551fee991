"""What people are called and what they say: invented names, sentences and hostile texts."""

from __future__ import annotations

FIRST_NAMES = """Ada Alba Anke Aron Bea Bram Cato Chloé Daan Dora Elif Emil Enzo Fien Finn Gael
Greet Hana Hugo Ilse Ines Jana Joris Kobe Lars Lena Lotte Luca Maud Maya Milan Nele Noor Omar Pia
Remy Renée Sara Senne Sofia Stan Tess Theo Tuur Vera Wout Yara Zita""".split()  # noqa: SIM905
LAST_NAMES = """Adams Aerts Baert Benoît Bosman Brandt Claes Coppens Costa Daems Delvaux Dubois
Engel Fabry Fontaine Geerts Goossens Haas Hermans Ivens Jacobs Janssens Keller Lambert Leclercq
Lemmens Maes Martens Meyer Michiels Moreau Nijs Okafor Peeters Pereira Pieters Renard Rossi Sanchez
Simons Smet Thijs Urbain Verbeke Vogel Wauters Weber Willems Yilmaz Zeman""".split()  # noqa: SIM905
COMPANY_WORDS = """Amber Birch Cedar Delta Ember Fjord Garnet Harbor Indigo Juniper Krill Larch
Maple Nimbus Orchid Pebble Quartz River Saffron Timber""".split()  # noqa: SIM905
COMPANY_KINDS = """Bakeries Clinics Foods Freight Garden Glass Hotels Labs Logistics Media Motors
Paper Pharma Print Schools Security Studios Textiles Travel Works""".split()  # noqa: SIM905
INDUSTRIES = ("retail", "health", "transport", "education", "manufacturing", "services")

LANGUAGES = ("en", "fr", "nl", "de")
THEMES = ("price", "support", "product", "delivery", "onboarding")

# language, class, then one sentence for each theme, in the order of THEMES
SENTENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "promoter": (
            "Fair price for what we get.",
            "Support answered within minutes, lovely people.",
            "The product just works, every day.",
            "Delivery came a day early.",
            "Onboarding was smooth; we were up and running in an hour.",
        ),
        "passive": (
            "Price is all right, nothing more.",
            "Support is friendly but slow at times.",
            "Good product, the reports could be better.",
            "Delivery was on time, the box was damaged.",
            "Onboarding took longer than promised.",
        ),
        "detractor": (
            "The price went up again and nobody told us.",
            "Support never called back, three tickets open.",
            "The product crashes whenever I export.",
            "Delivery was two weeks late.",
            "Onboarding was chaos, nobody knew our contract.",
        ),
    },
    "fr": {
        "promoter": (
            "Un prix honnête pour ce service.",
            "Le support répond vite et bien.",
            "Un produit fiable, très agréable à utiliser.",
            "Livraison plus rapide que prévu.",
            "Mise en route très claire, merci à l'équipe.",
        ),
        "passive": (
            "Le prix est correct, sans plus.",
            "Support aimable, mais un peu lent.",
            "Bon produit, l'export reste compliqué.",
            "Livraison à l'heure, emballage abîmé.",
            "La mise en route était un peu longue.",
        ),
        "detractor": (
            "Le prix a encore augmenté sans prévenir.",
            "Le support ne rappelle jamais.",
            "Le produit plante à chaque mise à jour.",
            "Livraison avec deux semaines de retard.",
            "Mise en route ratée, personne ne savait rien.",
        ),
    },
    "nl": {
        "promoter": (
            "Eerlijke prijs voor wat je krijgt.",
            "De helpdesk hielp me meteen verder.",
            "Het product werkt gewoon altijd.",
            "Levering was een dag te vroeg, top!",
            "De opstart verliep vlot en vriendelijk.",
        ),
        "passive": (
            "De prijs valt mee, meer niet.",
            "De helpdesk is vriendelijk maar traag.",
            "Goed product, de rapporten kunnen beter.",
            "Levering op tijd, doos beschadigd.",
            "De opstart duurde langer dan beloofd.",
        ),
        "detractor": (
            "De prijs is alweer gestegen, zonder uitleg.",
            "De helpdesk belt nooit terug.",
            "Het product loopt vast bij elke export.",
            "Levering twee weken te laat.",
            "De opstart was een ramp; niemand wist iets.",
        ),
    },
    "de": {
        "promoter": (
            "Fairer Preis für die Leistung.",
            "Der Support war schnell und freundlich.",
            "Das Produkt läuft einfach zuverlässig.",
            "Die Lieferung kam früher als gedacht.",
            "Die Einführung war hervorragend vorbereitet.",
        ),
        "passive": (
            "Der Preis ist in Ordnung, mehr nicht.",
            "Support freundlich, aber langsam.",
            "Gutes Produkt, die Berichte könnten besser sein.",
            "Lieferung pünktlich, Verpackung beschädigt.",
            "Die Einführung hat länger gedauert als zugesagt.",
        ),
        "detractor": (
            "Der Preis wurde schon wieder erhöht.",
            "Der Support ruft nie zurück.",
            "Das Produkt stürzt bei jedem Export ab.",
            "Die Lieferung kam zwei Wochen zu spät.",
            "Die Einführung war chaotisch, keiner wusste Bescheid.",
        ),
    },
}

# Texts that break careless tools: each appears once in pulse and once in intercept.
HOSTILE_COMMENTS = (
    '=HYPERLINK("https://example.org","a gift")',
    "+1 for the new app",
    "-2 stars if I could",
    "@team: thank you",
    "\tstarts with a tab",
    "<script>alert('hi')</script>",
    "{{ 7 * 7 }} {% raw %}",
    "Robert'); DROP TABLE answers;--",
    'they said "never again"; so did I',
    "first line\nsecond line, 10",
    "right-to-left \u202eevil\u202c and zero\u200bwidth",
    "call me on +32 000 00 00 00 or write to someone@example.org",
    "../../etc/passwd",
    "\u001b[31mred\u001b[0m 2025-01-01 ERROR forged line",
)
