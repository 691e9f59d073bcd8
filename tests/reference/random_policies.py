"""Random policies that load, whose standards often share a rule."""

from random import Random

from .accepting import COUNCIL_ROLES
from .model import Facts

FEEDS = ["contacts", "visits", "plans"]
LOCATIONS = ["home", "placement", "custody", "office", "community", "hospital", "education", "other"]
CATEGORIES = ["eligible", "relevant", "former_relevant", "qualifying"]
STARTS = ["supported_since", "adviser_since", "accommodation_since", "plan_reviewed_on", "offer_made_on", "opt_out_review_on"]
RULES = ["visit_overdue", "contact_overdue", "text_only", "a_rule"]
SPANS = ["0d", "1d", "7d", "28d", "2w", "8w", "1m", "2m", "6m", "12m", "1wd", "5wd", "20wd"]
RUNG_NAMES = ["none", "attempted", "messaged", "messaged", "spoke", "spoke", "seen", "seen", "seen_at_home"]


def chance(rng: Random, share: float) -> bool:
    """True in that share of cases."""
    return rng.random() < share


def make_policies(rng: Random) -> dict[str, Facts]:
    """A chain of policies by id, the last one extending the one before it, and so on."""
    documents: dict[str, Facts] = {}
    rules: set[str] = set()
    for level in range(rng.choice([1, 2, 3])):
        standards = [make_standard(rng) for _ in range(rng.choice([0, 1, 2, 4] if level else [1, 2, 4, 6]))]
        rules |= {standard["rule"] for standard in standards}
        document: Facts = {"id": f"random-{level}", "version": rng.choice([1, "2024-05"]), "title": "Random"}
        if level:
            document["extends"] = f"random-{level - 1}"
        elif chance(rng, 0.5):
            document["extends"] = None
        stated: Facts = {
            "in_touch": {"rung": rng.choice(RUNG_NAMES)} if chance(rng, 0.5) else {"within": rng.choice(SPANS)},
            "meaningful": {"within": rng.choice(SPANS)}, "warn": rng.choice(SPANS),
            "feeds": rng.sample(FEEDS, rng.choice([0, 1, 2])), "cannot_see": rng.sample(sorted(rules), rng.choice([0, 0, 1]))}
        document |= {key: value for key, value in stated.items() if chance(rng, 0.3)}
        documents[document["id"]] = document | {"standards": standards}
    return documents


def make_standard(rng: Random) -> Facts:
    clock = rng.choice(["every", "every", "within"])
    standard: Facts = {"rule": rng.choice(RULES), "text": "A standard", "basis": "proposed",
                       "severity": rng.choice(["low", "medium", "high", "critical"]), clock: rng.choice(SPANS)}
    if chance(rng, 0.6):
        standard["when"] = make_conditions(rng)
    if chance(rng, 0.3):
        standard["unless"] = make_conditions(rng)
    if chance(rng, 0.8):
        standard["needs"] = make_needs(rng, clock)
    if chance(rng, 0.5):
        standard["from"] = rng.choice(STARTS)
    if chance(rng, 0.35):
        standard["despite"] = make_despite(rng)
    if chance(rng, 0.4):
        standard["grace"] = rng.choice(["0d", "1d", "3d", "1w", "2wd", "1m"])
    return standard


def make_conditions(rng: Random) -> Facts:
    low = rng.randint(15, 24)
    choices: Facts = {
        "ages": [low, low + rng.randint(0, 5)], "categories": rng.sample(CATEGORIES, rng.choice([0, 2, 2])),
        "council_provided": chance(rng, 0.5),
        "accommodation": rng.sample(["U", "W", "X", "B", "Z"], 3), "hostel": chance(rng, 0.5), "suitable": chance(rng, 0.5),
        "need": rng.sample(["standard", "enhanced", "high"], 2), "looked_after": chance(rng, 0.5),
        "no_face_to_face": chance(rng, 0.3), "moved_within": rng.choice(SPANS),
        "in_touch": rng.sample(["YES", "NO", "REFU", "RHOM"], 2), "adviser": rng.choice(["none", "some"]),
        "opted_out": rng.choice([True, False, "any", "any"])}
    return {name: choices[name] for name in rng.sample(sorted(choices), rng.choice([0, 1, 1, 2]))}


def make_needs(rng: Random, clock: str) -> Facts:
    needs: Facts = {"rung": rng.choice(RUNG_NAMES)}
    optional: Facts = {
        "by": rng.choice(["any", "known", "adviser"]), "roles": rng.sample(COUNCIL_ROLES, rng.choice([0, 3, 3])),
        "announced": chance(rng, 0.5), "seen_alone": chance(rng, 0.5), "at": rng.sample(LOCATIONS, rng.choice([0, 3, 3])),
        "ever": chance(rng, 0.8)}
    if clock == "every":
        del optional["ever"]
    return needs | {name: optional[name] for name in optional if chance(rng, 0.4 if name in ("by", "ever") else 0.1)}


def make_despite(rng: Random) -> Facts:
    optional: Facts = {
        "rung": rng.choice(RUNG_NAMES), "rung_is": rng.choice(RUNG_NAMES), "channel": "written",
        "direction": rng.choice(["out", "in"]), "by": "stranger", "count": rng.randint(1, 3)}
    return {name: value for name, value in optional.items() if chance(rng, 0.3)}
