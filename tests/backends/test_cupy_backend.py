"""The GPU's programs where there is no GPU: their kernels run as C++ and agree with the CPU's, and nothing unfit is captured."""

import copy
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neurosim.backends import NumpyBackend, cuda_loops
from neurosim.backends.cupy_backend import CupyBackend
from neurosim.capture import Graph
from neurosim.datasets import Split, from_arrays
from neurosim.errors import DivergedError, InputError
from neurosim.experiments import estimate
from neurosim.experiments.run import prepare
from neurosim.feedback import pathways
from neurosim.modelfile.model_file import ModelFile
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import BatchNormalisation, neurons
from neurosim.neurons.tanh import Tanh
from neurosim.plasticity import SGD, Adam, CoActivationMemory, PlasticityRule, three_factor
from neurosim.tasks import Reward
from neurosim.training import Trainer
from neurosim.training.directions import gauss_newton, gradient, propose, step_effect

spec = importlib.util.spec_from_file_location("standin", Path(__file__).with_name("standin.py"))
standin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(standin)

pytestmark = pytest.mark.skipif(not standin.available(), reason="no C++ compiler (g++) to run the kernels with")
CASES = [
    pytest.param(scheme, options, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}", marks=marks)
    for scheme in pathways().values()
    for number, options in enumerate(scheme.variants)
    for marks in [pytest.mark.slow if number else ()]
    if options != {"p_update": 0.5}  # not captured on any backend
]
HUNDRED_STEPS = 25  # epochs, of four batches


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def cupy(folder, monkeypatch):
    with standin.installed(folder, monkeypatch) as module:
        yield module


def data(scale=1.0):
    draw = np.random.default_rng(0)
    x = scale * draw.normal(size=(64, 12))
    return from_arrays(x, draw.integers(0, 4, 64), x[:8], draw.integers(0, 4, 8))


def trainer(scheme, options, backend, dtype="float64", optimiser=None, **settings):
    normalisation = BatchNormalisation() if settings.pop("normalised", scheme.takes_normalised) else None
    shared = {"normalisation": normalisation, "dtype": dtype, "seed": 3}
    network = Network.layered((12,), [9, 8, 7], 4, transfer=settings.pop("transfer", "tanh"), backend=backend, **shared)
    for name in network.hidden:
        network.populations[name].dropout = network.populations[name].noise = 0.1
    made = Trainer(network, scheme(**copy.deepcopy(options)), optimiser or SGD(1e-3), epochs=2, batch=16, seed=1, **settings)
    made.check(data())
    for value in made.pathway.parameters().values():
        value += np.float32(0.01)
    return made


ENLARGED = {"contrastive_hebbian": 1e4}  # by 1 / gamma**2: two hidden populations below the one that is taught directly
IN_FLOAT32 = {"contrastive_hebbian": {"gamma": 0.1}}  # 1 / gamma**3 of float32's rounding is as large as the errors, by default
APART = {  # in float32 after a hundred steps of Adam, whose steps are as long where errors are small
    "contrastive_hebbian",  # rounding grows by 1 / gamma in each population on the way
    "sign_symmetric",  # a weight that crosses 0 a step earlier or later turns the error that comes back through it
}


def assert_same(one, other, rtol):
    for name, value in one.state().items():
        rounding = 1e-6 * ENLARGED.get(one.pathway.name, 1)  # a normalised population's bias gets no error but rounding
        scale = np.abs(value).max() + rounding
        np.testing.assert_allclose(other.state()[name], value, rtol=0, atol=rtol * scale, err_msg=name)


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_a_graph_trains_as_the_cpu_does_and_is_fit_to_be_captured(cupy, scheme, options):
    host, device = trainer(scheme, options, NumpyBackend()), trainer(scheme, options, CupyBackend())
    for _ in range(HUNDRED_STEPS):
        host.run_epoch(data())
        device.run_epoch(data())
    assert cupy.forbidden == []
    for captured in device._programs.values():
        assert captured.program.graphs["gathering"] is not None
    assert_same(host, device, 1e-9)


@pytest.mark.parametrize(
    "scheme",
    [pytest.param(scheme, marks=[pytest.mark.slow] if number % 4 else []) for number, scheme in enumerate(pathways().values())],
)
def test_a_hundred_steps_in_float32_agree(cupy, scheme):
    options = IN_FLOAT32.get(scheme.name, {})
    host, device = (
        trainer(scheme, options, backend, "float32", SGD(0.02) if scheme.name in APART else Adam(1e-3), normalised=False)
        for backend in (NumpyBackend(), CupyBackend())
    )
    for _ in range(HUNDRED_STEPS):
        host.run_epoch(data())
        device.run_epoch(data())
    for name, value in host.network.parameters().items():
        np.testing.assert_allclose(device.network.parameters()[name], value, rtol=0, atol=1e-3 * np.abs(value).max(), err_msg=name)


def test_every_function_of_a_rule_agrees(cupy):
    """Floor division and remainder are written out for the GPU; one-sided terms are sums over the batch."""
    rules = [
        "dw = rate_post // 0.2 * (rate_pre % 0.3) + rate_pre % -0.3 + rate_post // -0.2 - 0.1 * w",
        "dw = int(rate_pre > 0 and not rate_pre > 1 or rate_pre == -1) * log10(3 + rate_post) + int(9 * rate_pre) * arcsin(0.3)",
        "dw = clip(rate_pre, -0.5, 0.5) * arccos(rate_post) - floor(w) * ceil(rate_pre) + abs(rate_post)**1.5",
    ]

    def trained(backend):
        made = trainer(pathways()["backprop"], {}, backend, "float64", SGD(0.05), normalised=False)
        for projection, text in zip(made.network.projections.values(), rules, strict=False):
            projection.rule = PlasticityRule(text)
        made.run_epoch(data())
        assert all(captured.program is not None for captured in made._programs.values())
        return made

    assert_same(trained(NumpyBackend()), trained(CupyBackend()), 1e-9)


@pytest.mark.parametrize(("ticks", "asked"), [(4, 1), (4, 3), (9, 4)])
def test_states_of_each_sample_agree(cupy, ticks, asked):
    """Of either side and of the synapse, beside one that lasts; most of nine ticks are turns of a loop."""
    rules = [
        PlasticityRule("dw = error_post * t_pre", pre={"t": ("dt/dt = rate_pre - t / 3", 0.2)}, per_sample=("t_pre",)),
        PlasticityRule(
            "dw = reward * k - 0.1 * slow", synapse={"k": "dk/dt = rate_pre * t_post - k / 3", "slow": "dslow/dt = (k - slow) / 9"},
            post={"t": "dt/dt = rate_post - t / 3"}, per_sample=("k", "t_post"), reward=0.5,
        ),
        three_factor(per_sample=True, eta=0.5),
    ]  # fmt: skip

    def trained(backend):
        settings = {"clock": Clock(ticks, asked), "task": Reward(4), "normalised": False}
        made = trainer(pathways()["backprop"], {}, backend, "float64", SGD(0.05), **settings)
        for projection, rule in zip(made.network.projections.values(), rules, strict=False):
            projection.rule = rule
        before = made.state()
        for _ in range(2):
            made.run_epoch(data())
        assert all(captured.program is not None for captured in made._programs.values())
        for projection in list(made.network.projections)[: len(rules)]:
            assert np.abs(made.state()[f"network|{projection}.w"] - before[f"network|{projection}.w"]).max() > 1e-4
        return made

    assert_same(trained(NumpyBackend()), trained(CupyBackend()), 1e-9)
    assert cupy.forbidden == []


def test_the_column_solve_agrees(cupy):
    made = []
    for backend in (NumpyBackend(), CupyBackend()):
        network = Network(
            [Population("x", 12), Population("hidden1", 9, transfer="tanh"), Population("output", 4, transfer="softmax")],
            [Projection("x", "hidden1", rule=CoActivationMemory(sparsity=1e-3)), Projection("hidden1", "output")],
            backend=backend,
            seed=3,
        )
        made.append(Trainer(network, pathways()["alternating_minimization"](), SGD(0.1), batch=16, epochs=2))
        made[-1].check(data())
        made[-1].run_epoch(data())
    assert cupy.forbidden == []
    assert_same(*made, 1e-4)


class Gated(Tanh):
    """h = tanh(a) (1 + tanh(g)), a stranger's."""

    inputs = ("drive", "gate")
    variables = {**Tanh.variables, "gate": "what the rate is multiplied by"}

    def advance(self, backend, activation, state, draws, stream, *, gate):
        return backend.xp.tanh(activation) * (1 + backend.xp.tanh(gate)), {}

    def errors_back(self, backend, error_on_rate, error_on_state, activity):
        curve, factor = backend.xp.tanh(activity.activation), backend.xp.tanh(activity.inputs["gate"])
        on_gate = error_on_rate * curve * (1 - factor * factor)
        return error_on_rate * (1 - curve * curve) * (1 + factor), {}, {"gate": on_gate}


@pytest.mark.parametrize("scheme", ["backprop_through_time", "feedback_alignment"])
def test_projections_into_another_input_agree(cupy, scheme):
    """With a loop through it; where nothing arrives at first, it is zero."""
    made = []
    for backend in (NumpyBackend(), CupyBackend()):
        populations = [Population("x", 12), Population("hidden1", 9, transfer=Gated()), Population("hidden2", 8, transfer=Gated())]
        links = [Projection("x", "hidden1"), Projection("hidden1", "hidden2"), Projection("hidden2", "output")]
        links += [Projection("x", "hidden2", name="gate", into="gate")]
        links += [Projection("hidden2", "hidden1", name="loop", into="gate", delay=1)]
        populations.append(Population("output", 4, transfer="softmax"))
        network = Network(populations, links, backend=backend, dtype="float64", seed=3)
        made.append(Trainer(network, pathways()[scheme](), SGD(0.1), clock=Clock(3, 2), batch=16, epochs=2, seed=1))
        made[-1].check(data())
        before = made[-1].state()
        made[-1].run_epoch(data())
    assert cupy.forbidden == []
    assert all(captured.program.graphs["gathering"] is not None for captured in made[1]._programs.values())
    assert not np.array_equal(before["network|gate.w"], made[1].state()["network|gate.w"])
    assert_same(*made, 1e-9)


def test_batches_that_are_augmented_on_the_host_are_brought(cupy):
    shift = {"augment": lambda x, draw: x + 0.1}
    host = trainer(pathways()["backprop"], {}, NumpyBackend(), **shift)
    device = trainer(pathways()["backprop"], {}, CupyBackend(), **shift)
    for made in (host, device):
        made.run_epoch(data())
    assert_same(host, device, 1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_singular_kernel_gives_no_numbers(cupy, dtype):
    backend = CupyBackend()
    scheme = pathways()["hsic_bottleneck"]
    made = trainer(scheme, {"output": "rest"}, backend, dtype)
    cupy.solver._factor = lambda dtype, n, a, failed: standin.view(failed, 1, np.int32).__setitem__(0, 1)
    with pytest.raises(DivergedError, match="population 'hidden1'.* at step 1:"):  # the first step's changes are no numbers
        made.run_epoch(data())
    assert np.isnan(backend.to_host(made.network.parameters()["x__hidden1.w"])).all()


def test_a_model_that_does_not_fit_on_the_device_is_refused_with_the_numbers(cupy, small):
    model = ModelFile.of("small", small() | {"network": {"hidden": [3000, 3000]}})
    found = estimate.memory(model.table)
    needed = found.on(CupyBackend())
    assert needed == found.weights + found.optimiser + found.buffers + found.data + found.evaluation < found.on(NumpyBackend())
    cupy.free, cupy.pooled = needed - 2**20, 2**21
    assert prepare(model, backend="cupy").network.backend.name == "cupy"
    cupy.pooled = 0
    with pytest.raises(InputError, match=r"model 'small': needs about 0\.[1-9] GiB more, 0\.[1-9] GiB are free on GPU stand-in"):
        prepare(model, backend="cupy")
    assert prepare(model, backend="numpy").network.backend.name == "numpy"
    assert prepare(model).network.backend.name == "numpy"  # what does not fit there is not tried there


def test_an_evaluation_asks_the_device_once(cupy, monkeypatch):
    made, asked = trainer(pathways()["backprop"], {}, CupyBackend()), []
    host = trainer(pathways()["backprop"], {}, NumpyBackend())
    kept = cupy.asnumpy
    monkeypatch.setattr(cupy, "asnumpy", lambda values: asked.append(values.shape) or kept(values))
    found, expected = made.evaluate(data().test), host.evaluate(data().test)
    assert asked == [(6,)]  # loss, wrong answers, four populations
    assert found.error == expected.error
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)


def test_divergence_is_told_with_its_step_after_the_epoch(cupy):
    made = trainer(pathways()["backprop"], {}, CupyBackend(), optimiser=SGD(1e100), normalised=False, transfer="linear")
    with pytest.raises(DivergedError, match=r"population '\w+': drive .* at step [0-3]:"), np.errstate(all="ignore"):
        made.run_epoch(data())


def test_a_capture_that_fails_says_so_once_and_launches_one_by_one(cupy, caplog):
    made = trainer(pathways()["backprop"], {}, CupyBackend())
    host = trainer(pathways()["backprop"], {}, NumpyBackend())

    def refuse(self):
        raise RuntimeError("no capture today")

    cupy.cuda.Stream = lambda: type("Stubborn", (standin.Stream,), {"begin_capture": refuse})(cupy)
    shown = data()
    for _ in range(2):
        made.run_epoch(shown)
        host.run_epoch(shown)
    assert [record.message for record in caplog.records].count(caplog.records[0].message) == 1
    assert "no capture today" in caplog.records[0].message
    assert_same(host, made, 1e-9)


def test_a_capture_that_breaks_off_is_left_so_that_the_device_goes_on(cupy, caplog):
    made = trainer(pathways()["hsic_bottleneck"], {}, CupyBackend())
    host = trainer(pathways()["hsic_bottleneck"], {}, NumpyBackend())
    usual = cupy.solver.cusolverDnDpotrf
    cupy.solver.cusolverDnDpotrf = lambda *arguments: usual(*arguments) if cupy.capturing is None else 3
    for _ in range(2):
        made.run_epoch(data())
        host.run_epoch(data())
    assert "cuSOLVER reports status 3" in caplog.records[0].message
    assert cupy.capturing is None and cupy.forbidden == []
    assert_same(host, made, 1e-9)


def test_the_gpu_s_benchmark_measures_a_graph_and_its_floor(cupy, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    from benchmarks import gpu

    backend = CupyBackend()
    run, cost = gpu.our_step(backend, "local_errors", (12, 9, 8, 4), 16)
    floor = gpu.floor_step(backend, cost)
    for _ in range(9):
        run()
        floor()
    assert cupy.forbidden == []
    assert gpu.milliseconds(run, lambda: None, 2) > gpu.milliseconds(floor, lambda: None, 2) > 0


# ---------------------------------------------------------------------- the sources, by NVIDIA's own compiler, which needs no GPU


def nvrtc():
    """Return the path of NVIDIA's run-time compiler, or skip."""
    found = importlib.util.find_spec("nvidia")
    places = [Path(place) for place in found.submodule_search_locations] if found else []
    paths = sorted(path for place in places for path in place.glob("*/lib/libnvrtc.so*"))
    if not paths:
        pytest.skip("NVRTC is not installed; pip install nvidia-cuda-nvrtc-cu12")
    return paths[0]


def compiled(library, source, architecture, folder):
    """Return NVRTC's complaints about a source; empty where it compiles."""
    path = folder / "kernels.cu"
    path.write_text(source, encoding="utf-8")
    script = Path(__file__).with_name("nvrtc.py")
    done = subprocess.run([sys.executable, script, library, path, architecture], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


TRANSFERS = ("relu", "leaky_relu", "sigmoid", "sign", "bernoulli", "linear")
DEFAULTS = [(scheme, {}, "tanh") for scheme in pathways().values()] + [(pathways()["backprop"], {}, name) for name in TRANSFERS]
EVERY = [(case.values[0], case.values[1], "tanh") for case in CASES]


@pytest.mark.parametrize(
    ("architecture", "cases", "dtypes"),
    [
        pytest.param("sm_90", DEFAULTS, ["float32"], id="defaults"),
        pytest.param("sm_75", DEFAULTS + EVERY, ["float32", "float64"], id="every", marks=pytest.mark.slow),
    ],
)
def test_every_kernel_compiles_for_a_gpu(cupy, architecture, cases, dtypes, tmp_path):
    library, sources = nvrtc(), {}
    for scheme, options, transfer in cases:
        for dtype in dtypes:
            network = Network.layered((12,), [9, 8], 4, transfer=transfer, dtype=dtype, seed=3, backend=CupyBackend())
            network.populations["hidden1"].dropout = network.populations["x"].noise = 0.1
            made = Trainer(network, scheme(**options), Adam(1e-3), batch=16)
            made.check(data())
            for phase in made.pathway.phases:
                program = network.backend.capture(made.recorded(phase))
                program.hold({"x": data().train.x, "target": np.eye(4)[data().train.y]})
        sources |= {kernel.name: kernel.source for kernel in standin.Kernel.waiting}
    for dtype in (np.float32, np.float64):
        sources |= {f"k{number}": text for number, text in enumerate(other_kernels(dtype))}
    assert len(sources) > 80
    assert compiled(library, "\n".join(sources.values()), architecture, tmp_path) == ""
    assert "error" in compiled(library, 'extern "C" __global__ void k(float* p) { p[0] = q; }', architecture, tmp_path)


def other_kernels(dtype):
    """Return the sources that no scheme's default step needs: every function, every total, the column solve."""
    graph = Graph()
    a, b = (graph.input(name, (6, 5), dtype) for name in "ab")
    unary = [op for op in sorted(cuda_loops.FUNCTIONS) if op != "power"] + ["negative", "sign"]
    nodes = [graph.elementwise(op, a) for op in unary]
    nodes += [graph.elementwise(op, a, b) for op in ("power", "remainder", "floor_divide")]
    condition = graph.elementwise("logical_and", graph.elementwise("less", a, b), graph.elementwise("not_equal", a, b))
    nodes += [condition, graph.elementwise("where", condition, a, b), graph.elementwise("maximum", a, b)]
    texts = [cuda_loops.written([node], node.shape, lambda node: node).source for node in nodes]
    totals = [graph.node(op, (a,), (), dtype, axes) for op in ("sum", "max") for axes in ((0,), (1,), (0, 1))]
    texts += [cuda_loops.total(node)[0] for node in totals] + [cuda_loops.SOLVE_COLUMNS, cuda_loops.COUNT]
    turn, stack = graph.turn(1), graph.input("stack", (9, 6, 5), dtype)
    moving = graph.entry(stack, 30, -30, (6, 5), turn)
    put = graph.node("put", (graph.elementwise("exp", moving), stack, turn), (6, 5), dtype, 0)
    texts.append(cuda_loops.written([moving, *put.inputs[:1], put], (6, 5), lambda node: node).source)
    texts.append(cuda_loops.picked(stack, (9, 6, 5), (30, 5, 1), 30, -30))
    images, channels = graph.input("images", (8, 2, 5, 9), dtype), graph.input("channels", (2, 1, 1), dtype)
    spread = graph.elementwise("multiply", images, channels)
    texts += [cuda_loops.written([spread], spread.shape, lambda node: node).source]
    texts += [cuda_loops.total(graph.reduce("sum", images, axes, True))[0] for axes in ((0, 2, 3), 1)]
    texts += [cuda_loops.picked(images, (9, 2), (-1, 45), 8)]
    shapes = (8, 2, 5, 9), (8, 2, 3, 2, 3, 10)
    texts += [cuda_loops.windowed(back, dtype, *shapes, (2, 1), (1, 1)) for back in (False, True)]
    return [text.replace("NAME", f"{np.dtype(dtype).name}_{number}") for number, text in enumerate(texts)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_spiking_populations_agree(cupy, dtype):
    """A trial of them, of which one is refractory, filtered and reset by value."""
    def trained(backend):
        cells = neurons("lif", tau="4*ms", tau_syn="3*ms", subtract=False, refractory="2*ms", surrogate="triangle")
        populations = [Population("x", (12,)), Population("a", 7, neurons=cells), Population("b", 6, neurons="adaptive_lif")]
        populations.append(Population("output", 4, transfer="softmax"))
        links = [Projection("x", "a"), Projection("a", "b", into="v"), Projection("b", "output")]
        links.append(Projection("a", "a", name="loop", delay=1, into="I", bias=False))
        network = Network(populations, links, dt="1*ms", dtype=dtype, seed=3, backend=backend)
        network.projections["x__a"].w[...] *= 4
        made = Trainer(network, pathways()["backprop_through_time"](), SGD(0.05), clock=Clock(6, 4), epochs=2, batch=16, seed=1)
        made.fit(data())
        assert all(captured.program is not None for captured in made._programs.values())
        return made

    assert_same(trained(NumpyBackend()), trained(CupyBackend()), 1e-9 if dtype == "float64" else 1e-4)
    assert cupy.forbidden == []


@pytest.mark.parametrize("scheme", ["backprop_through_time", "decolle"])
def test_evaluations_of_trials_are_captured_and_agree(cupy, scheme, monkeypatch):
    monkeypatch.setattr("neurosim.training.trainer.EVALUATION_BATCH", 16)

    def evaluated(backend):
        options = {"neurons": neurons("lif", resistance=40.0), "dt": "1*ms", "dtype": "float64", "seed": 3, "backend": backend}
        network = Network.layered((12,), [9, 8], 4, **options)
        made = Trainer(network, pathways()[scheme](), SGD(0.05), clock=Clock(6, 4), epochs=2, batch=16, seed=1)
        made.check(data())
        found = made.evaluate(data().train)
        assert made._evaluation[0].program is not None
        return found, backend.to_host(made.scores(data().train.x[:16]))

    (host, scores), (device, others) = evaluated(NumpyBackend()), evaluated(CupyBackend())
    assert host.error == device.error and host.loss == pytest.approx(device.loss, rel=1e-12)
    np.testing.assert_allclose(others, scores, rtol=1e-12)
    assert cupy.forbidden == []


def test_directions_come_to_the_host_and_agree(cupy):
    def found(backend):
        network = Network.layered((12,), [9, 8], 4, dtype="float64", seed=3, backend=backend)
        made = Trainer(network, pathways()["feedback_alignment"](), SGD(0.05), batch=16, seed=1)
        made.check(data())
        few = Split(data().train.x[:16], data().train.y[:16])
        return [gauss_newton(made, few), gradient(made, few), propose(made, few)], step_effect(made, few)

    (host, effect), (device, other) = found(NumpyBackend()), found(CupyBackend())
    for ours, theirs in zip(host, device, strict=True):
        for name, change in ours.items():
            assert type(theirs[name]) is np.ndarray
            np.testing.assert_allclose(theirs[name], change, rtol=1e-8, atol=1e-12, err_msg=name)
    assert other == pytest.approx(effect, rel=1e-12)
