"""What notebooks 05 and 06 say of their numbers is what their cells have printed."""

import re

import nbformat
import pytest
from refresh import NOTEBOOKS

SHARE = r"([\d.]+)%"


def printed(stem, begin):
    """Return what the one cell prints whose source has a line that begins so."""
    (path,) = (path for path in NOTEBOOKS if path.stem.startswith(stem))
    (cell,) = (
        cell
        for cell in nbformat.read(path, 4).cells
        if cell.cell_type == "code"
        and re.search(f"^{re.escape(begin)}", cell.source, re.M)
    )
    return "".join(
        output.get("text", "") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    )


def numbers(text, pattern=SHARE):
    return [float(number) for number in re.findall(pattern, text)]


def test_one_epoch_makes_a_reader_of_a_network_that_guesses():
    before, *_, after = numbers(printed("05", "history = fit(quick"))
    assert before < 20 and after > 97


def test_the_longer_steps_read_and_the_short_ones_have_hardly_begun():
    short, long = numbers(printed("05", "for lr, share in reads"), r": ([\d.]+)%")
    (adam,) = numbers(printed("05", "adam = accuracy"))
    assert short < 50 and long > 90 and adam > 85


def test_training_mode_reports_less_and_another_number_each_time():
    *training, evaluating = numbers(printed("05", "for mode, share in zip"))
    assert max(training) < evaluating and len(set(training)) == 2


def test_the_loss_falls_most_where_the_lesson_reads_the_curve():
    changes = numbers(printed("05", "for rate, fall in falls"), r"by ([+-][\d.]+)")
    assert abs(changes[0]) < 0.1
    assert changes.index(min(changes)) == 2
    assert changes[1] < 0 < changes[3]


def test_more_images_help_most():
    plain, dropout, moved, more = numbers(printed("05", "def right_with"))
    assert plain + 1 < dropout < moved < more


def test_small_rotations_help_and_large_ones_and_mirrors_harm():
    plain, small, large, mirrored = numbers(
        printed("05", "for name, share in augmented")
    )
    assert small - plain > 1 and plain - large > 1 and plain - mirrored > 1


def test_a_deep_network_needs_help_and_its_gradient_says_so():
    said = printed("05", "    gradient = fresh[3]")
    plain, *others = numbers(said, rf"{SHARE} right")
    assert plain < 12 and min(others) > 70
    plain, *others = numbers(said, r"block (\S+)")
    assert plain < 1e-6 and min(others) > 0.1


def test_batch_normalisation_reads_by_the_company_in_training_mode():
    said = printed("05", "moved = (net[3]")
    shuffled, in_order, other, strange = numbers(said)
    assert shuffled == in_order
    assert other - strange > 5
    assert numbers(said, r"moved by ([\d.]+)")[0] > 0


def test_the_intervals_of_the_longer_recipe_and_of_one_epoch_are_far_apart():
    one, around, _, _, long, about = numbers(printed("05", "readers = {"))
    assert one + around < long - about
    halves = numbers(printed("05", "for name, (front, back)"))
    assert all(
        first < second for first, second in zip(halves[::2], halves[1::2], strict=True)
    )


def test_the_gradient_of_the_picture_costs_time():
    (times,) = numbers(printed("05", 'print(f"{wanted:.0f} ms'), r": ([\d.]+) times")
    assert times > 1.2


def test_no_single_kernel_of_the_second_layer_is_missed_much():
    *without, complete = numbers(printed("06", "shares = [f"), r"\d+\.\d")
    assert complete - min(without) < 5
    complete, half = numbers(printed("06", 'print(f"with all kernels'))
    assert 40 < half < 60 < complete


def test_three_kernels_do_as_well_as_four():
    four, three = numbers(
        printed("06", "for count, score in scores"), rf"kernels: {SHARE}"
    )
    assert abs(four - three) < 0.5


def test_the_courses_network_stands_between_those_with_other_shifts():
    hills = numbers(printed("06", '    print(f"{name}: {hill[6]'))
    course, still, moved = (hills[place : place + 3] for place in (0, 3, 6))
    assert still[1] < course[1] and still[2] < course[2] < moved[2]


@pytest.mark.parametrize("stem", ["05", "06"])
def test_an_assert_is_explained_before_it_is_met_and_rare(stem):
    (path,) = (path for path in NOTEBOOKS if path.stem.startswith(stem))
    cells = nbformat.read(path, 4).cells
    asserts = [cell for cell in cells if re.search(r"^\s*assert ", cell.source, re.M)]
    assert len(asserts) <= 4
    if stem == "05":
        first = cells.index(asserts[0])
        assert "`assert`" in cells[first - 1].source
