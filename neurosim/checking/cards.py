"""``neurosim.card``: the locality card of a scheme, of a rule, or of a trainer's own network, scheme and rules."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neurosim.backends import Draws
from neurosim.capture.cost import Cost, Traffic
from neurosim.checking import in_time, rules
from neurosim.checking.bench import CLASSES, Bench
from neurosim.checking.cells import Cells
from neurosim.checking.declared import list_undeclared, list_undeclared_of_rule
from neurosim.checking.frozen import Frozen
from neurosim.checking.locality import Locality
from neurosim.checking.result import Outcome, list_first
from neurosim.checking.small import TICKS, draw_targets, freeze
from neurosim.checking.subject import Subject, list_subjects
from neurosim.errors import InputError, NotCapturableError, quoted
from neurosim.feedback import Claims, FeedbackPathway
from neurosim.network import Clock, Network, Population, Projection, Sweep, Teaching
from neurosim.plasticity import Rule
from neurosim.runfile.locality_card import NONE, Card, Cell, Row
from neurosim.tasks import Classification
from neurosim.training import Trainer

log = logging.getLogger(__name__)

LONGEST = 2**15  # characters of a run file's attribute
MOST_KNOWN = 32  # cards that are kept
_known: dict[str, Card] = {}

OF_RULES = ("pre", "post", "near", "weight", "fan_in", "scalar", "samples", "earlier", "outside", "feedback", "weights")


def card(what: Any, **options: Any) -> Card:
    """Return the locality card: what each change that a step proposes depends on, measured.

    card(trainer)      card("feedback_alignment")      card(MyScheme, gain=2.0)      card("dw = eta * rate_pre", eta=0.1)

    what : a Trainer, whose own network, scheme, rules and task are asked about; or what ``check`` takes, which is asked about on a
        small network that is made here
    options : what a class is called with; without any, a scheme's first variant is taken

    A trainer is not changed: a small network of the same structure is asked, with the same rules, a new scheme of the same options,
    a trial of at most three ticks, no dropout and no noise; where none can be made, a copy of the network itself.

    Raises
    ------
    InputError
        ``what`` is nothing of these, or teaches a network already; or a network is too large and none of its structure can be made
        with fewer neurons.
    """
    if isinstance(what, Trainer):
        if options:
            raise InputError(f"card: a trainer was given with {', '.join(options)}: expected it alone; leave the options out")
        return of_trainer(what)
    return of_subject(list_subjects(what, options)[0])


def of_subject(subject: Subject) -> Card:
    """Return the card of a scheme or a rule on a network that is made here."""
    return _of_rule(subject)[0] if subject.kind == "rule" else _of_scheme(subject)[0]


def _of_scheme(subject: Subject) -> tuple[Card, Frozen]:
    """Return the card of a scheme, and its step: on a chain of three hidden populations, or in time where other ticks matter."""
    bench, apart = Bench(subject.make), None
    claims, title = bench.pathway.claims, f"{subject.title}, {subject.variant}"
    if claims.history != "none" or claims.future:
        frozen = _freeze_in_time(subject)
        return _draw_up(title, _sizes(frozen.network), frozen, None), frozen
    frozen = Frozen(bench.network, bench.pathway, bench.target, Clock())
    if any(population.normalisation for network in bench.pathway.networks.values() for population in network.populations.values()):
        plain = Bench(subject.make).drop_normalisation()
        apart = Frozen(plain.network, plain.pathway, plain.target, Clock())
    return _draw_up(title, _sizes(bench.network), frozen, apart), frozen


def _freeze_in_time(subject: Subject) -> Frozen:
    """Return a scheme's step on a recurrent network, of leaky neurons where the scheme takes them."""
    network, pathway = in_time.choose_networks(subject.make)[-1](), subject.make()
    task = Classification(CLASSES)
    pathway.attach(network, task, seed=0)
    return Frozen(network, pathway, draw_targets(task), Clock(TICKS, TICKS))


def _of_rule(subject: Subject) -> tuple[Card, Frozen]:
    """Return the card of a rule between two populations whose errors are given, and its step."""
    rule: Rule = subject.make()
    populations = [Population("x", 6), Population("hidden", 5, neurons=rules.fitting_neurons(rule))]
    populations.append(Population("output", 3, transfer="softmax"))
    links = [Projection("x", "hidden", rule=rule), Projection("hidden", "output", rule=None)]
    network = Network(populations, links, seed=3, dtype="float64")
    clock = rules.TICKS if network.projections["x__hidden"].starts else Clock()
    network.projections["x__hidden"].parameters["b"] += 0.1  # a bias of zero hides what multiplies it
    task, pathway = Given(3, names=rule.modulators), GivenErrors()
    pathway.attach(network, task, 0)
    frozen = Frozen(network, pathway, draw_targets(task), clock)
    found = _draw_up(subject.title, _sizes(network), frozen, None)
    return Card(found.title, found.network, tuple(map(_of_rules, found.rows)), found.notes), frozen


def card_agrees(subject: Subject) -> Outcome:
    """A card shows nothing that is not declared, and both ways of asking agree."""
    expected = "as declared"
    if subject.kind == "rule":
        card, frozen = _of_rule(subject)
        undeclared = list_undeclared_of_rule(card, frozen.network.projections["x__hidden"])
    else:
        card, frozen = _of_scheme(subject)
        undeclared = list_undeclared(card, frozen.pathway.claims, frozen.network)
    unexplained = [f"{place}: it has an effect that the graph of the step does not show" for place in card.unexplained]
    lines = [*undeclared, *unexplained]
    found = "; ".join([expected, *(note for note in card.notes if "graph" in note)])
    return Outcome(expected, f"{len(lines)} more" if lines else found, list_first(lines))


def _of_rules(row: Row) -> Row:
    """Return a row without what a rule is never asked about."""
    return Row(row.name, row.owner, row.pre, row.post, {
        column: cell if column in OF_RULES or cell else Cell(NONE) for column, cell in row.cells.items()
    })  # fmt: skip


def of_trainer(trainer: Trainer) -> Card:
    """Return the card of a trainer's network, scheme, rules and task."""
    frozen, network = freeze(trainer)
    apart = None
    normalised = [one for made in (frozen.network, *frozen.pathway.networks.values()) for one in made.populations.values()]
    if any(population.normalisation for population in normalised):
        apart = _without_normalisation(trainer)
    title = f"scheme {quoted(trainer.pathway.name)}"
    return _draw_up(title, network, frozen, apart, cost_of(trainer))


def _without_normalisation(trainer: Trainer) -> Frozen | None:
    """Return the step with all normalisation switched off; None where the model cannot be made without."""
    try:
        frozen, _ = freeze(trainer)
        for network in (frozen.network, *frozen.pathway.networks.values()):
            for population in network.populations.values():
                population.normalisation = None
                population.parameters = {}
        return Frozen(frozen.network, frozen.pathway, frozen.target, frozen.clock)
    except InputError:
        return None


def _draw_up(title: str, network: str, frozen: Frozen, apart: Frozen | None, cost: Mapping[str, str] | None = None) -> Card:
    with np.errstate(all="ignore"):  # what is perturbed may be out of range for what reads it
        found, aside = Locality(frozen), None
        if frozen.ticks > 1 and found.silent:
            found, aside = Locality(frozen, tick=frozen.ticks - 1), found
        cells = Cells(found, None if apart is None else Locality(apart, whole=False), aside)
    notes = [f"the graph was not followed: {found.unwritten}"] if found.unwritten else []
    notes += ["what is perturbed is put back only in part: too many values lie around the step"] if frozen.reach is None else []
    if frozen.ticks > 1:
        last = "" if aside is None else "the last one, in which all is taught, or "
        notes.append(f"a trial of {frozen.ticks} ticks; what is perturbed lies in {last}tick {frozen.ticks // 2 + 1}")
    return Card(title, network, tuple(cells.list_rows()), tuple(notes), cost or {})


def _sizes(network: Network) -> str:
    return f"a network made for it ({', '.join(f'{name} {network.populations[name].size}' for name in network.order)} neurons)"


# ---------------------------------------------------------------------- what a step takes


def write_cards(trainers: Sequence[Trainer]) -> dict[str, str]:
    """Return what a run file says of its trainers' locality, attribute -> text; nothing where that cannot be measured, or is long.

    A run never fails for its card.
    """
    try:
        text = json.dumps([_card_of(trainer).as_data() for trainer in trainers])
    except Exception:
        log.info("no locality card could be drawn up", exc_info=True)
        return {}
    return {"locality": text} if len(text) <= LONGEST else {}


def _card_of(trainer: Trainer) -> Card:
    """Return a trainer's card, measured once for models that are alike: comparisons train them with many seeds."""
    key = _describe(trainer)
    if key is None:
        return of_trainer(trainer)
    if key not in _known:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[key] = of_trainer(trainer)
    return _known[key]


def _describe(trainer: Trainer) -> str | None:
    """Return all that decides a card as text; None where code of the user's does, which may be another one each time."""
    network, pathway = trainer.network, trainer.pathway
    made = [pathway, trainer.pathway.task, *(p.rule for p in network.projections.values() if p.rule is not None)]
    made += [population.neurons for population in network.populations.values()]
    if any(type(one).__module__.partition(".")[0] != "neurosim" for one in made):
        return None
    parts = [network.summary(), repr(pathway), repr(pathway.task), pathway.task.size, trainer.trial.clock, trainer.batch]
    parts += [repr(p.rule) for p in network.projections.values()]
    return "\n".join(map(str, parts))


def cost_of(trainer: Trainer) -> dict[str, str]:
    """Return what a step of the trainer's whole model takes, heading -> text; nothing before it is joined to its data.

    Recording a step gives the optimisers their memory; they are left as they were, or a run file would say that training has begun.
    """
    commits = trainer.commit, trainer.feedback_commit
    before = [(dict(commit.memory), dict(commit.updates)) for commit in commits]
    try:
        return _count(trainer)
    finally:
        for commit, (memory, updates) in zip(commits, before, strict=True):
            commit.memory, commit.updates = memory, updates


def _count(trainer: Trainer) -> dict[str, str]:
    found: dict[str, str] = {}
    for phase in trainer.pathway.phases if trainer.pathway.attached else ():
        try:
            graph = trainer.recorded(phase)
        except NotCapturableError as reason:
            found[f"step, {phase.name}"] = f"not counted, because the step cannot be recorded: {reason}"
            continue
        found[f"step, {phase.name}"] = Cost.of(graph).describe()
        own = {id(value) for p in trainer.network.projections.values() for value in p.parameters.values()}
        others = {id(value) for values in (trainer.pathway.parameters(), trainer.pathway.memory()) for value in values.values()}
        found[f"travel, {phase.name}"] = Traffic.of(graph, own, others).describe(trainer.batch)
    return found


# ---------------------------------------------------------------------- a rule by itself


class GivenErrors(FeedbackPathway):
    """Errors that are given: what a rule makes of them is asked, and not where they come from."""

    name = "given_errors"
    title, citation = "Given errors", "none"
    claims = Claims(weight_transport="none", update_locking=False, backward_locking=False)
    needs_error = False

    def build(self, seed: int) -> None:
        draw = np.random.default_rng(seed)
        self.errors = {name: draw.normal(size=(len(draw_targets(self.task)), *self.network.populations[name].shape))
                       for name in self.network.hidden}  # fmt: skip

    def memory(self) -> dict[str, Any]:
        return {f"error on {name}": error for name, error in self.errors.items()}

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        return {name: Teaching(error) for name, error in self.errors.items()}


class Given(Classification):
    """A task that broadcasts whatever a rule reads, and has nothing to do with labels."""

    def __init__(self, size: int, *, names: frozenset[str]) -> None:
        super().__init__(size)
        self.modulators = tuple(sorted(names))  # type: ignore[misc]

    def broadcast(self, outcome: Any) -> dict[str, Any]:
        return {name: outcome.sum(axis=1) for name in self.modulators}
