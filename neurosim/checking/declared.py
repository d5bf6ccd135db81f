"""What a locality card shows beside what a scheme declares: everything that is not in its claims."""

from __future__ import annotations

from collections.abc import Iterator

from neurosim.feedback import Claims
from neurosim.network import Network, Projection
from neurosim.runfile.locality_card import BEFORE, COLUMNS, Card, Row, Through

REAL = ("yes", "!!")  # states of what has an effect


def list_undeclared(card: Card, claims: Claims, network: Network) -> list[str]:
    """Return what updates depend on and ``claims`` do not say, a line each; nothing where all is declared.

    network : the one that the card was measured on
    """
    found = [line for row in card.rows for line in _of_any(row)]
    hidden = [row for row in card.rows if row.owner == "network" and row.post in network.hidden]
    found += [line for row in hidden for line in _of_hidden(row, claims, network)]
    found += [line for row in card.rows if row.owner == "pathway" for line in _of_pathway(row, claims, network)]
    return list(dict.fromkeys(found))


def list_undeclared_of_rule(card: Card, projection: Projection) -> list[str]:
    """Return what the changes of a rule depend on that it names neither among its variables nor its modulators, a line each."""
    rule, row = projection.rule, card[projection.name]
    assert rule is not None
    remembers = bool(projection.state or projection.starts)
    named = {
        "pre": bool(rule.pre), "post": bool(rule.post - {"error"}), "slope": False, "layers": False, "input": False,
        "feedback": "error" in rule.post, "scalar": bool(rule.modulators), "earlier": remembers, "later": False, "outside": False,
        "labels": not any(through.name == "directly" for through in row["labels"].through),
    }  # fmt: skip
    found = [f"{row.name} depends on {_told(row, column)}: its rule does not name it" for column, fits in named.items()
             if row[column] and not fits]  # fmt: skip
    others = [through for through in row["weights"].through if through.name != projection.name and through.state in REAL]
    return found + [f"{row.name} depends on {through}: a rule sees no other projection" for through in others]


def _told(row: Row, column: str) -> str:
    return ", ".join(_effective(row, column)) or COLUMNS[column]


def _of_any(row: Row) -> Iterator[str]:
    for name in _effective(row, "outside"):
        yield f"{row.name} reads {name}: expected arrays of the network's or of the scheme's networks, or of memory()"


def _of_hidden(row: Row, claims: Claims, network: Network) -> Iterator[str]:
    declared = claims.weight_transport
    told = claims.scalar_broadcast  # one number may depend on responses and input; that it is one, the claim's measure sees
    for through in row["weights"].through:
        q = network.projections.get(through.name)
        if q is None or q.name == row.name or through.state not in REAL or (told and "responses" in through.note):
            continue
        if through.note == BEFORE:
            yield from () if _remembers(row, network) else _of_kept_weights(row, through, q, claims, network)
        elif not (_allows(declared, through, q, row, network) or _is_swept_again(through, q, row, claims, network)):
            yield f"{row.name} depends on {through}: weight_transport is declared {declared}"
    below = _list_below(network, row.post)
    for name in _effective(row, "layers"):
        if name in below and not claims.update_locking:
            yield f"{row.name} depends on {name}: update_locking is declared no"
        if name in below and name in network.hidden and not claims.backward_locking:
            yield f"{row.name} depends on {name}: backward_locking is declared no"
    samples = row["samples"]
    if samples and not (samples.through or claims.pairwise or _remembers(row, network)):
        yield f"{row.name} depends on other samples: pairwise is declared no"
    for way in _effective(row, "labels"):
        if not way.startswith("through ") and not claims.labels_at_hidden:
            how = " directly" if way == "directly" else f" ({way})"
            yield f"{row.name} depends on labels{how}: labels_at_hidden is declared no"
    reached = any(p.pre in network.inputs for p in network.incoming(row.post))
    for name in _effective(row, "input"):
        if not (claims.raw_input_at_hidden or told) and (name == "past the sweep" or not reached):
            yield f"{row.name} depends on the input ({name}): raw_input_at_hidden is declared no"
    yield from _of_time(row, claims, network)


def _is_swept_again(through: Through, q: Projection, row: Row, claims: Claims, network: Network) -> bool:
    """Return whether the network is asked again from its input on, and a projection further up responds to that.

    ``weight_transport`` is about weights downstream; another sweep is what ``raw_input_at_hidden`` says of those upstream.
    """
    return claims.raw_input_at_hidden and "responses" in through.note and row.post in _list_below(network, q.post)


def _of_time(row: Row, claims: Claims, network: Network) -> Iterator[str]:
    for through in () if _remembers(row, network) else row["earlier"].through:
        if through.state not in REAL:
            continue
        if through.note == BEFORE and through.name not in claims.feedback_learns_from:
            yield f"{row.name} depends on {through}: feedback_learns_from does not name {through.name}"
        if through.note != BEFORE and claims.history == "none":
            yield f"{row.name} depends on {through} of earlier ticks: history is declared none"
    for name in _effective(row, "later"):
        if not claims.future:
            yield f"{row.name} depends on {name} of later ticks: future is declared no"


def _remembers(row: Row, network: Network) -> bool:
    """Return whether it is the projection's rule that remembers something, which no scheme declares."""
    projection = network.projections.get(row.name)
    return projection is not None and bool(projection.starts or projection.state)


def _of_kept_weights(row: Row, through: Through, q: Projection, claims: Claims, network: Network) -> Iterator[str]:
    declared = claims.feedback_learns_from
    if not ("responses" in declared or any(_allows(one, through, q, row, network) for one in declared)):
        yield f"{row.name} depends on {through}: feedback_learns_from is declared {', '.join(declared) or 'nothing'}"


def _of_pathway(row: Row, claims: Claims, network: Network) -> Iterator[str]:
    declared = claims.feedback_learns_from
    shown = ", ".join(declared) or "nothing"
    for through in row["weights"].through:
        q = network.projections.get(through.name)
        if q is None or through.state not in REAL:
            continue
        if through.note == BEFORE:
            yield from _of_kept_weights(row, through, q, claims, network)
            continue
        needed = "responses" if "responses" in through.note else None
        fits = needed in declared if needed else any(_allows(one, through, q, row, network) for one in declared)
        if not fits:
            yield f"{row.name} depends on {through}: feedback_learns_from is declared {shown}"
    if row["labels"] and "labels" not in declared:
        yield f"{row.name} depends on labels: feedback_learns_from is declared {shown}"
    for name in _effective(row, "input"):
        if "input" not in declared:
            yield f"{row.name} depends on the input ({name}): feedback_learns_from is declared {shown}"
    if "activity" not in declared and any(row[column] for column in ("pre", "post", "near", "layers")):
        yield f"{row.name} depends on activity: feedback_learns_from is declared {shown}"


def _allows(declared: str, through: Through, q: Projection, row: Row, network: Network) -> bool:
    """Return whether a declared weight transport allows a change to depend on a projection."""
    if declared == "sign":
        return "values" not in through.note
    if declared == "output":
        return q.post == network.output
    if declared == "one_hop":
        return row.owner == "pathway" or q.pre == row.post
    return declared == "full"


def _effective(row: Row, column: str) -> list[str]:
    """Return the names of what has an effect."""
    return [through.name for through in row[column].through if through.state in REAL]


def _list_below(network: Network, population: str) -> set[str]:
    """Return the populations downstream."""
    found: set[str] = set()
    pending = [population]
    while pending:
        for p in network.outgoing(pending.pop()):
            if p.post not in found:
                found.add(p.post)
                pending.append(p.post)
    return found - {population}
