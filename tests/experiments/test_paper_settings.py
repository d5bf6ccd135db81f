"""The settings of every model file, and every scheme's defaults, beside those of the papers and their released code.

Written down a second time on purpose: a constant that is changed by hand, in a model file or in a default that it relies on, no
longer agrees with its source.  How long a model trains is not here: where it differs from the paper, the model file says so.
"""

import inspect

import pytest

from neurosim.feedback import pathways
from neurosim.modelfile.model_file import ModelFile
from neurosim.modelfile.reading import models
from neurosim.neurons import BatchNormalisation

PLAIN, AFFINE = BatchNormalisation(affine=False, epsilon=1e-5, momentum=0.1), BatchNormalisation(True, 1e-5, 0.1)  # PyTorch's


def adam(rate):
    return ("adam", {"learning_rate": rate, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8})


def centred_rmsprop(rate):
    return ("centred_rmsprop", {"learning_rate": rate, "decay": 0.95, "momentum": 0.9, "epsilon": 1e-3})


def sgd(rate, decay):
    return [("decay", {"rate": decay}), ("sgd", {"learning_rate": rate})]


def stage(scheme, options, optimiser, *, batch, shuffle=True, feedback=None):
    optimiser = optimiser if isinstance(optimiser, list) else [optimiser]
    return {"scheme": scheme, "options": options, "optimiser": optimiser, "batch": batch, "shuffle": shuffle, "feedback": feedback}


# Lee et al. 2015, released code: conti_dtp.py and conti_bp.py; orthogonal: all singular values 1.  The first 50,000 images are
# trained on, in file order.  The released step, 0.327736332653, is on the mean of a batch of 100.
DTP = {
    "data": {"validation": 10_000, "normalise": None, "augment": None},
    "hidden": [240] * 7,
    "layer": {"transfer": "tanh", "normalisation": None, "dropout": 0.0, "initial": "orthogonal", "bias": True},
    "output": {"transfer": "softmax", "normalisation": None, "initial": "orthogonal", "bias": True},
}
TARGETS = {"step": 0.00327736332653, "noise": 0.359829566008, "difference": True, "alternate": True, "learned": True}
FORWARD, INVERSE = centred_rmsprop(0.0148893490317), [centred_rmsprop(0.00501149118237)]
DTP_BACKPROP = centred_rmsprop(0.000804436870084)

# Ma et al. 2020, released code: the configurations of hsictrain, format training and unformatted training; PyTorch's initial
# weights (lecun), pixels in [0, 1], file order; the momentum of a fresh optimiser each step never acts.
HSIC = {
    "data": {"validation": 0, "normalise": None, "augment": None},
    "layer": {"transfer": "relu", "normalisation": PLAIN, "dropout": 0.0, "initial": "lecun", "bias": True},
    "output": {"transfer": "softmax", "normalisation": None, "initial": "lecun", "bias": True},
}
READOUT = {"settled": True}

# Choromanska et al. 2019, released code: run_altmin_sgd.py; the halving of rates every 8 epochs is its scheduler's.
ALTMIN = {
    "data": {"validation": 0, "normalise": "standard", "augment": None},
    "layer": {"transfer": "relu", "normalisation": AFFINE, "dropout": 0.0, "initial": "lecun", "bias": False},
    "output": {"transfer": "softmax", "normalisation": None, "initial": "lecun", "bias": True},
}
CODES = {"mu": 0.003, "iterations": 5, "step": 0.3, "momentum": 0.9, "code_sparsity": 0.0}
HALVED = [adam(0.008), ("step_decay", {"every": 8, "factor": 0.5})]
ALTMIN_STAGE = stage("alternating_minimization", CODES, HALVED, batch=200)

# Jaderberg et al. 2017, appendix A.1: batch 256, rate divided by 10 at 300k and 400k of 500k steps, linear modules when conditioned
# on the label.  The rate is 1e-3 where the paper's is 3e-5, which the model file says.  A layer count includes the classifier.
DNI = {
    "data": {"validation": 10_000, "normalise": None, "augment": None},
    "layer": {"transfer": "relu", "normalisation": AFFINE, "dropout": 0.0, "initial": "lecun", "bias": True},
    "output": {"transfer": "softmax", "normalisation": None, "initial": "lecun", "bias": True},
}
MODULES = {
    "hidden_layers": 0, "width": 1024, "conditioned": True, "interfaces": None, "p_update": 1.0, "synthetic_inputs": False,
}  # fmt: skip
TENTHS = [adam(1e-3), ("milestones", {"at": (0.6, 0.8), "factor": 0.1})]
DNI_STAGE, DNI_BACKPROP = stage("synthetic_gradients", MODULES, TENTHS, batch=256), stage("backprop", {}, TENTHS, batch=256)

# Nokland and Eidnes 2019, released code: run_experiments.sh, MNIST mlp: dropout .1, crops of 28 with padding 2, rate 5e-4, times
# .25 at 50, 75, 89 and 94 of 100 epochs; relu for backprop and pred, leaky relu for sim and predsim.
LOCAL = {
    "data": {"validation": 0, "normalise": "standard", "augment": {"crop_pad": 2, "flip": False}},
    "hidden": [1024] * 3,
    "layer": {"transfer": "leaky_relu", "normalisation": AFFINE, "dropout": 0.1, "initial": "lecun", "bias": True},
    "output": {"transfer": "softmax", "normalisation": None, "initial": "zeros", "bias": True},
}
RELU = {"layer": LOCAL["layer"] | {"transfer": "relu"}}
QUARTERS = [adam(5e-4), ("milestones", {"at": (0.5, 0.75, 0.89, 0.94), "factor": 0.25})]


def local_errors(loss, free=False):
    return {"stages": [stage("local_errors", {"loss": loss, "beta": None, "backprop_free": free}, QUARTERS, batch=128)]}


def targets(options):
    return stage("difference_target_propagation", options, FORWARD, batch=100, shuffle=False, feedback=INVERSE)


def hsic(beta, sigma, output):
    return {"beta": beta, "sigma": sigma, "output": output}


WANTED = {
    "dtp-mnist": DTP | {"stages": [targets(TARGETS)]},
    "vanilla-tp-mnist": DTP | {"stages": [targets(TARGETS | {"difference": False})]},
    "backprop-dtp-mnist": DTP | {"stages": [stage("backprop", {}, DTP_BACKPROP, batch=100, shuffle=False)]},
    "frozen-mnist": DTP | {"stages": [stage("frozen", {"settled": False}, DTP_BACKPROP, batch=100, shuffle=False)]},
    "hsic-mnist-format": HSIC
    | {
        "hidden": [128] * 7,
        "stages": [
            stage("hsic_bottleneck", hsic(50.0, 5.0, "rest"), sgd(1e-4, 1e-3), batch=512, shuffle=False),
            stage("frozen", READOUT, sgd(5e-3, 1e-3), batch=256, shuffle=False),
        ],
    },
    "hsic-mnist-unformatted": HSIC
    | {
        "hidden": [1024] * 6,
        "output": {"transfer": "relu", "normalisation": PLAIN, "initial": "lecun", "bias": True},
        "stages": [stage("hsic_bottleneck", hsic(200.0, 6.0, "units"), sgd(1e-3, 1e-3), batch=256, shuffle=False)],
    },
    "backprop-hsic-mnist": HSIC
    | {"hidden": [1024] * 6 + [10], "stages": [stage("backprop", {}, sgd(0.05, 1e-5), batch=256, shuffle=False)]},
    "hsic-mnist-sigma-combined": {
        "data": HSIC["data"],
        "hidden": None,
        "stages": [
            stage(
                "hsic_bottleneck", hsic(50.0, {"narrow*": 1.0, "middle*": 5.0, "wide*": 10.0}, "rest"), sgd(1e-4, 1e-3), batch=512,
                shuffle=False,
            ),
            stage(
                "frozen", READOUT, [("decay", {"rate": 1e-4}), ("momentum", {"learning_rate": 4e-3, "momentum": 0.9})], batch=512,
                shuffle=False,
            ),
        ],
    },
    "altmin-mnist": ALTMIN | {"hidden": [100, 100], "stages": [ALTMIN_STAGE]},
    "altmin-500-mnist": ALTMIN | {"hidden": [500, 500], "stages": [ALTMIN_STAGE]},
    "altmin-mem-mnist": ALTMIN
    | {"hidden": [100, 100], "layer": ALTMIN["layer"] | {"normalisation": None}, "stages": [ALTMIN_STAGE]},
    "backprop-altmin-mnist": ALTMIN
    | {"hidden": [100, 100], "layer": ALTMIN["layer"] | {"bias": True}, "stages": [stage("backprop", {}, adam(0.003), batch=200)]},
    "dni-mnist": DNI | {"hidden": [256] * 2, "stages": [DNI_STAGE]},
    "dni-4-mnist": DNI | {"hidden": [256] * 3, "stages": [DNI_STAGE]},
    "dni-5-mnist": DNI | {"hidden": [256] * 4, "stages": [DNI_STAGE]},
    "dni-6-mnist": DNI | {"hidden": [256] * 5, "stages": [DNI_STAGE]},
    "backprop-dni-mnist": DNI | {"hidden": [256] * 2, "stages": [DNI_BACKPROP]},
    "backprop-dni-6-mnist": DNI | {"hidden": [256] * 5, "stages": [DNI_BACKPROP]},
    "local-errors-mnist": LOCAL | local_errors("predsim"),
    "local-errors-sim-mnist": LOCAL | local_errors("sim"),
    "local-errors-pred-mnist": LOCAL | RELU | local_errors("pred"),
    "local-errors-predsim-bpf-mnist": LOCAL | local_errors("predsim", free=True),
    "local-errors-sim-bpf-mnist": LOCAL | local_errors("sim", free=True),
    "local-errors-pred-bpf-mnist": LOCAL | RELU | local_errors("pred", free=True),
    "backprop-local-errors-mnist": LOCAL
    | RELU
    | {"output": LOCAL["output"] | {"initial": "lecun"}, "stages": [stage("backprop", {}, QUARTERS, batch=128)]},
}

EPOCHS = {  # Lee et al.: 100 (the control stops no earlier); Ma et al.: 5, and 5 for a readout
    "dtp-mnist": [100], "vanilla-tp-mnist": [100], "backprop-dtp-mnist": [100], "frozen-mnist": [100], "hsic-mnist-format": [5, 5],
    "hsic-mnist-unformatted": [5], "hsic-mnist-sigma-combined": [5, 5], "backprop-hsic-mnist": [5],
}  # fmt: skip

# What a scheme takes where nothing is given.  Not from a paper: the step of target propagation, for small networks and Adam.
DEFAULTS = {
    "alternating_minimization": CODES,
    "backprop": {},
    "backprop_through_time": {"horizon": None},
    "burst_dependent": {"rule": None, "scale": 1.0, "signal": 0.1},
    "ddtp_linear": {"noise": 0.1},
    "contrastive_hebbian": {"gamma": 0.01, "turns": 5},
    "decolle": {},
    "deep_feedback_control": {"alpha": 1.0, "scale": 0.1},
    "dendritic_microcircuits": {"leak": 0.1, "basal": 1.0, "apical": 0.8, "somatic": 0.8, "dendritic": 1.0, "lateral": True},
    "difference_target_propagation": {"step": 0.1, "noise": 0.36, "difference": True, "alternate": True, "learned": True},
    "direct_feedback_alignment": {"rule": None, "scale": 1.0},
    "direct_random_target_projection": {},
    "dual_propagation": {"alpha": 0.5, "beta": 0.1, "passes": 2},
    "eprop": {"feedback": "random", "scale": 1.0, "rate_target": None, "rate_cost": 1.0},
    "equilibrium_propagation": {"beta": 0.1, "centred": True, "free": 10, "nudged": 4},
    "feedback_alignment": {"rule": None, "scale": 1.0},
    "forward_forward": {"loss": "hinton", "goodness": "sum", "threshold": 0.3, "sharpness": 0.3},
    "frozen": {"settled": False},
    "hsic_bottleneck": hsic(50.0, 5.0, "softmax"),
    "kolen_pollack": {},
    "local_difference_reconstruction": {"step": 0.5, "noise": 0.1},
    "local_errors": {"loss": "predsim", "beta": None, "backprop_free": False},
    "node_perturbation": {"noise": 0.01},
    "none": {},
    "pepita": {"scale": 0.05},
    "predictive_coding": {"iterations": 20, "step": 0.1, "beta": None, "fixed": False, "learn": "settled"},
    "reinforce": {},
    "segregated_dendrites": {"settle": 30, "scale": 1.0},
    "sign_symmetric": {"magnitudes": "uniform"},
    "spiking_difference_target_propagation": {"step": 0.1, "tau": 20.0},
    "synthetic_gradients": MODULES,
    "weight_mirror": {"noise": 0.5, "decay": None},
    "weight_perturbation": {"noise": 0.001},
}


def links(update):
    return None if update is None else [(link.name, {k: v for k, v in vars(link).items() if k[0] != "_"}) for link in update.links]


def defaults(scheme):
    return {name: parameter.default for name, parameter in inspect.signature(pathways()[scheme]).parameters.items()}


def found(table):
    """Return what a model file comes to, in the form of ``WANTED``."""
    data, network = table.data, table.network
    written = {
        "data": {
            "validation": round(60_000 * data.validation),
            "normalise": data.normalise,
            "augment": data.augment and data.augment.model_dump(),
        },
        "hidden": network.hidden,
        "stages": [
            stage(
                one.scheme, defaults(one.scheme) | one.options, links(one.optimiser), batch=one.batch, shuffle=one.shuffle,
                feedback=links(one.feedback_optimiser),
            )
            for one in table.stages
        ],
    }  # fmt: skip
    if network.hidden is not None:
        common = ("normalisation", "initial", "bias")
        for part, keys in (("layer", (*common, "dropout")), ("output", common)):
            own = getattr(network, part)
            curve = "softmax" if own.transfer is None else own.transfer.name  # what classes are read out with
            written[part] = {"transfer": curve, **{key: getattr(own, key) for key in keys}}
    return written


def test_every_model_and_every_scheme_is_here():
    ours = (  # models whose settings are no paper's
        "backprop-kolen-", "burst-", "chl-", "ddtp-", "dfc-", "drtp-", "dtp-fixed-", "dualprop-", "ep-", "eprop-",
        "forward-forward-", "kolen-pollack-", "ldrl-", "lif-", "microcircuits-", "pc-", "pepita-", "permuted-",
        "segregated-dendrites-", "sign-symmetric-", "softhebb-", "split-", "weight-mirror-",
    )  # fmt: skip
    assert set(WANTED) == {name for name in models() if "mnist" in name and not name.startswith(ours)}
    assert set(DEFAULTS) == set(pathways())


@pytest.mark.parametrize("name", sorted(WANTED))
def test_a_model_files_settings_are_the_papers(name):
    wanted, written = WANTED[name], found(ModelFile.load(name).table)
    assert written.keys() == wanted.keys()
    for key, value in wanted.items():
        assert written[key] == value, key


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_a_schemes_defaults_are_these(name):
    assert defaults(name) == DEFAULTS[name]


@pytest.mark.parametrize("name", sorted(EPOCHS))
def test_these_models_train_as_long_as_the_papers(name):
    assert [one.epochs for one in ModelFile.load(name).table.stages] == EPOCHS[name]


def test_sigma_combined_is_three_branches_averaged_and_normalised():
    network = ModelFile.load("hsic-mnist-sigma-combined").table.network
    populations = {p.name: p for p in network.populations}
    into = {p.post: [q for q in network.projections if q.post == p.post] for p in network.projections}
    for branch in ("narrow", "middle", "wide"):
        names = [f"{branch}{k}" for k in range(1, 8)]
        assert [populations[name].shape for name in names] == [[128]] * 6 + [[64]]  # as in the released configuration
        assert all((populations[name].transfer.name, populations[name].normalisation) == ("relu", PLAIN) for name in names)
        assert [[p.pre for p in into[name]] for name in names] == [["x"], *([name] for name in names[:-1])]
        assert all(p.initial == "lecun" and p.bias for name in names for p in into[name])
    (readout,) = into["output"]
    averaged = into[readout.pre]
    assert sorted(p.pre for p in averaged) == ["middle7", "narrow7", "wide7"]
    assert all((p.connectivity.name, p.initial, p.bias, p.rule) == ("one_to_one", 1 / 3, False, None) for p in averaged)
    assert populations[readout.pre].normalisation is not None


def test_co_activation_memory_forgets_and_the_other_hidden_rules_are_delta_rules():
    for name in WANTED:
        network = ModelFile.load(name).table.network
        rules = {p.post: p.rule for p in network.projections} if network.hidden is None else {"layer": network.layer.rule}
        for rule in rules.values():
            if name == "altmin-mem-mnist":
                assert (rule.forgetting, rule.sparsity) == (0.05, 0.0)  # the released code's moving average, at .05
            else:
                assert rule is None or rule.describe() == "dw = eta * error_post * rate_pre; db = eta * error_post"
