"""A run's figures: what is in them, whose they are, and what is said where there is nothing to draw."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

import neurosim
from neurosim.analysis.run_plots import RunPlots, SchemePlots
from neurosim.errors import InputError, RunFileError, UnknownNameError
from neurosim.runfile import RunFile

FIGURES = {
    "loss": (),
    "error": (),
    "alignment": (),
    "gauss_newton": (),
    "step_effect": (),
    "histograms": ("hidden1.rate",),
    "raster": ("hidden1",),
}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def run(synthetic, tmp_path):
    with neurosim.open_run(synthetic.synthetic_run(tmp_path / "run.h5", spikes=True, looked=True)) as opened:
        yield opened


@pytest.fixture
def bare(tmp_path):
    """A run that has begun, and was asked to record nothing."""
    attributes = {"seed": 1, "model_name": "bare", "created": "2026-11-24T12:00:00+00:00", "neurosim_version": "0.1.0"}
    with RunFile.create(tmp_path / "bare.h5", model="", attributes=attributes, series=[]):
        pass
    with neurosim.open_run(tmp_path / "bare.h5") as opened:
        yield opened


def test_every_figure_is_listed_here():
    spiking = {"rates", "trials", "intervals", "cv", "trace"}  # of simulations: see test_simulation_report
    elsewhere = spiking | {"tasks"}  # of tasks in sequence: see experiments/test_tasks_in_sequence
    assert FIGURES.keys() | elsewhere == {name for name in vars(RunPlots) if not name.startswith("_")}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_labelled_and_shows_itself_without_pyplot(run, name):
    settings = dict(matplotlib.rcParams)
    figure = getattr(run.plot, name)(*FIGURES[name])
    (axes,) = figure.axes
    assert isinstance(figure, Figure) and axes.get_xlabel() and axes.get_ylabel() and axes.has_data()
    assert figure._repr_png_().startswith(PNG)
    assert plt.get_fignums() == [] and dict(matplotlib.rcParams) == settings


@pytest.mark.parametrize("name", FIGURES)
def test_given_axes_are_drawn_into_by_their_owners_settings(run, name):
    with matplotlib.rc_context({"font.size": 13, "axes.spines.top": True}):
        _, (left, right) = plt.subplots(1, 2)
        try:
            assert getattr(run.plot, name)(*FIGURES[name], ax=right) is right
            assert right.xaxis.label.get_fontsize() == 13 and right.spines["top"].get_visible()
            assert right.has_data() and not left.has_data() and plt.get_fignums() == [left.figure.number]
        finally:
            plt.close("all")


@pytest.mark.parametrize("name", FIGURES)
def test_what_is_no_axes_is_refused(run, name):
    with pytest.raises(InputError, match="expected axes of matplotlib"):
        getattr(run.plot, name)(*FIGURES[name], ax=plt)


def test_curves_are_the_runs_numbers(run):
    (axes,) = run.plot.error().axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["train", "validation", "test"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "error (%)")
    for line in axes.get_lines():
        expected = run.metrics.loc[line.get_label()]["error"]
        np.testing.assert_array_equal(line.get_xdata(), expected.index)
        np.testing.assert_array_equal(line.get_ydata(), expected)


def test_a_split_that_is_alone_names_the_axis_and_keeps_its_colour(run):
    (axes,), (all_of_them,) = run.plot.loss("test").axes, run.plot.loss().axes
    assert axes.get_ylabel() == "test loss (nats)" and axes.get_legend() is None
    assert axes.get_lines()[0].get_color() == all_of_them.get_lines()[2].get_color()


def test_lines_that_were_there_stay_and_keep_their_names(run):
    axes = Figure().add_subplot()
    axes.plot([0, 4], [50, 50], label="mine")
    run.plot.error(ax=axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mine", "train", "validation", "test"]


def test_alignment_is_in_degrees_and_names_where_projections_lead(run):
    (axes,) = run.plot.alignment().axes
    assert axes.get_ylabel() == "angle (degrees)" and {text.get_text() for text in axes.texts} == {"hidden1", "hidden2"}
    expected = run.alignment.loc["x__hidden1"]["angle"]
    assert any(np.array_equal(line.get_ydata(), expected) for line in axes.get_lines())
    (axes,) = run.plot.gauss_newton().axes
    assert any(np.array_equal(line.get_ydata(), run.gauss_newton.loc["x__hidden1"]["angle"]) for line in axes.get_lines())


def test_the_effect_of_steps_is_a_loss_over_steps(run):
    (axes,) = run.plot.step_effect().axes
    assert axes.get_ylabel() == "fall of the batch's loss (nats)" and axes.get_xlabel() == "step"
    (line,) = axes.get_lines()
    np.testing.assert_allclose(line.get_ydata(), run.step_effect["decrease"])
    np.testing.assert_array_equal(line.get_xdata(), run.step_effect.index)


def test_histograms_have_a_moment_each_and_a_unit(run_of):
    values = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("f4")
    said = {"units": "Hz", "dims": "recording sample neuron"}
    with neurosim.open_run(run_of({"populations/hidden1/rate": (values, [0, 10, 20], said)})) as run:
        (axes,) = run.plot.histograms("hidden1.rate").axes
    assert axes.get_xlabel() == "hidden1.rate (Hz)"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "1", "2"]


def test_a_raster_is_the_last_trial(run):
    (axes,) = run.plot.raster("hidden1").axes
    spikes = run.spikes["hidden1"]
    expected = spikes["time"][spikes["trial"] == spikes["trial"].max()]
    assert axes.get_xlabel() == "time (s)" and np.array_equal(axes.get_lines()[0].get_xdata()[::3], expected)


def test_names_from_files_are_drawn_as_written(run_of):
    where = "populations/$\\bad{$/rate"
    with neurosim.open_run(run_of({where: (np.ones((2, 3, 4), "f4"), [0, 10], {})})) as run:
        own, given = run.plot.histograms("$\\bad{$.rate"), run.plot.histograms("$\\bad{$.rate", ax=Figure().add_subplot())
    for figure in (own, given.figure):
        figure.draw_without_rendering()  # which would read it as a formula, and fail
    given.set_xlabel("$x_1$")  # the caller's own may be one
    given.figure.draw_without_rendering()


def test_it_says_what_it_can_draw(run, bare):
    assert repr(run.plot).endswith("run.h5: loss; error; alignment; gauss_newton; step_effect; histograms of hidden1.rate, "
                                   "hidden2.rate, output.rate, x__hidden1.w; raster of hidden1>")  # fmt: skip
    assert repr(bare.plot).endswith("bare.h5: nothing yet>")


# ---------------------------------------------------------------------- nothing to draw


@pytest.mark.parametrize("name, said", [
    ("loss", "no loss yet: expected one to draw; let it run for an epoch"),
    ("error", "no error yet: expected one to draw; let it run for an epoch"),
    ("alignment", 'no alignment .* record it with --alignment "every 1 epoch"'),
    ("gauss_newton", 'no gauss newton .* record it with --gauss-newton "every 1 epoch"'),
    ("step_effect", 'no effect of a step: .* record it with --step-effect "every 10 steps"'),
    ("histograms", "nothing was recorded: expected one to draw; record it with --record \"hidden1.rate every 1 epoch\""),
])  # fmt: skip
def test_what_a_file_lacks_is_told_in_one_line_with_what_to_record(bare, name, said):
    with pytest.raises(RunFileError, match=said) as raised:
        getattr(bare.plot, name)(*FIGURES[name])
    assert "\n" not in str(raised.value) and "bare.h5" in str(raised.value)


@pytest.mark.parametrize("draw", [
    lambda plot: plot.error("exam"), lambda plot: plot.histograms("hidden9.rate"), lambda plot: plot.raster("output"),
])  # fmt: skip
def test_an_unknown_name_lists_those_that_are_there(run, draw):
    with pytest.raises(UnknownNameError, match="expected one of .*(test|hidden1)"):
        draw(run.plot)


def test_values_that_are_not_finite_are_no_histogram(run_of):
    with neurosim.open_run(run_of({"populations/hidden1/rate": (np.full((2, 3, 4), np.nan, "f4"), [0, 10], {})})) as run:
        with pytest.raises(RunFileError, match="no finite value"):
            run.plot.histograms("hidden1.rate")


# ---------------------------------------------------------------------- all schemes of a comparison


@pytest.fixture
def several(synthetic, tmp_path):
    names = [(scheme, seed) for scheme in ("frozen", "backprop", "local_errors") for seed in (1, 2)]
    return SchemePlots([synthetic.synthetic_run(tmp_path / f"{s}-{seed}.h5", scheme=s, seed=seed) for s, seed in names])


def test_schemes_have_a_line_each_with_their_seeds_band(several):
    (axes,) = several.error().axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["backprop", "frozen", "local_errors"]
    assert axes.get_ylabel() == "test error (%)" and len(axes.collections) == 3
    assert len({line.get_color() for line in axes.get_lines()}) == 3 and axes.get_lines()[0].get_linestyle() == "--"
    assert several.loss().axes[0].get_ylabel() == "train loss (nats)"


def test_schemes_are_told_when_there_is_nothing(several, bare):
    with pytest.raises(UnknownNameError, match="split 'exam' is unknown"):
        several.error("exam")
    for nothing in (SchemePlots([bare.path]), SchemePlots([])):
        with pytest.raises(InputError, match="no error of split 'test'"):
            nothing.error()


def test_a_comparison_draws_its_runs(tmp_path):
    draw = np.random.default_rng(0)
    data = draw.normal(size=(60, 3)), draw.integers(0, 2, 60)
    reached = neurosim.compare(data, {"frozen": {}}, epochs=1, out=tmp_path / "folder", quiet=True)
    legend = reached.plot.error().axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["backprop", "frozen"]
