"""Recipes: strict files, and shipped ones that say what they are."""

from pathlib import Path

import pytest

from convert.recipe import FOLDER, Recipe, load_recipe, parse_recipe, recipe_names
from convert.settings import find_weights
from edge.errors import ConfigError

LEAST = """\
name: least
network: {family: mobilenet_v2}
pictures: {augmentation: own}
phases:
  - {learns: head, epochs: 1, rate: 0.001}
"""
SHIPPED = {
    "cnn",
    "cnn-weighted",
    "fast",
    "four-class",
    "mobilenetv2-finetuned",
    "mobilenetv2-frozen",
    "ours",
    "twelve-class-xception",
    "variants",
    "vgg16-finetuned",
    "vgg16-frozen",
}


def test_the_published_scenarios_and_ours_are_shipped() -> None:
    assert set(recipe_names()) >= SHIPPED


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_recipe_is_called_like_its_file_and_begins_with_what_it_is(name: str) -> None:
    assert load_recipe(name).name == name
    lines = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert lines[1] == "#"


def test_the_paper_s_network_is_as_published() -> None:
    cnn, weighted = load_recipe("cnn"), load_recipe("cnn-weighted")
    assert (cnn.network.side_px, cnn.head.dense, cnn.head.dropout) == (150, (128,), (0.5,))
    assert (cnn.phases[0].epochs, cnn.phases[0].rate, cnn.phases[0].optimizer) == (30, 1e-3, "adam")
    assert weighted == cnn.model_copy(update={"name": "cnn-weighted", "loss": weighted.loss})
    assert (cnn.loss.class_weights, weighted.loss.class_weights) == ("none", "balanced")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rate: 0.001", "rat: 0.001", "least.yaml:5: unknown key 'phases.0.rat', did you mean 'rate'?"),
        ("rate: 0.001", "rate: 0", "least.yaml:5: phases.0.rate is 0: input should be greater than 0"),
        ("rate: 0.001", "rate: fast", "least.yaml:5: phases.0.rate is 'fast': input should be a valid number"),
        ("learns: head", "learns: tail", "is 'tail', expected head, all, top:N or from:LAYER"),
        ("learns: head", "learns: top:0", "is 'top:0', expected head, all, top:N or from:LAYER"),
        ("mobilenet_v2}", "mobilenet_v2, side_px: 100}", "least.yaml:2: network: side_px 100 is no multiple of 16"),
        ("mobilenet_v2}", "vgg16, width: 0.5}", "width 0.5 is not offered by vgg16"),
        ("mobilenet_v2}", "cnn}", "phases of a cnn must all say `learns: all`"),
        ("augmentation: own", "augmentation: owl", "least.yaml:3: pictures.augmentation is 'owl'"),
        ("name: least", "name: least\nname: most", "least.yaml:2: 'name' stands here twice"),
        ("name: least", "name: least\nhead: {dense: [8, 8], dropout: [0.5]}", "dropout has 1 values, expected 2"),
        ("rate: 0.001", "rate: 0.001, weight_decay: 0.1", "weight_decay needs optimizer: adamw"),
    ],
)
def test_a_mistake_is_named_with_its_line(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_recipe(LEAST.replace(old, new), "least.yaml")
    assert message in str(caught.value)


def test_only_the_small_network_takes_sides_that_are_no_multiple_of_32() -> None:
    text = LEAST.replace("mobilenet_v2", "cnn, side_px: 150").replace("learns: head", "learns: all")
    assert parse_recipe(text, "x").network.side_px == 150


def test_values_are_changed_for_a_trial() -> None:
    changes = ["network.side_px=96", "phases.1.rate=1e-4", "phases.2.soup=false", "patience=2", "head.dropout=[]"]
    recipe = load_recipe("ours", changes, seed=7)
    assert (recipe.network.side_px, recipe.phases[1].rate, recipe.phases[2].soup) == (96, 1e-4, False)
    assert (recipe.patience, recipe.head.dropout, recipe.seed) == (2, (), 7)
    settings = recipe.settings(["glass"])
    assert (settings.side_px, settings.seed, settings.residue) == (96, 7, ("glass",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("network.side_px", "is no KEY=VALUE"),
        ("phases.9.epochs=1", "is no KEY=VALUE"),
        ("network.side.px=3", "is no KEY=VALUE"),
        ("network.site_px=96", "--set network.site_px: is no key of a recipe"),
        ("network.side_px=100", "multiple of 16"),
        ("phases.0.soup=true", "phases.0 cannot say `soup: true`"),
        ("phases.1.epochs=0", "needs epochs in the one before it"),
        ("batch=many", "--set batch: Input should be a valid integer"),
        ("batch=[", "is no YAML"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(change: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe("ours", [change])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recipe_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no recipe 'our'; .*ours"):
        load_recipe("our")
    with pytest.raises(ConfigError, match="cannot read recipe"):
        load_recipe(str(tmp_path))


def test_a_recipe_survives_being_written_into_a_manifest() -> None:
    recipe = load_recipe("twelve-class-xception")
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_weights_are_looked_for_by_the_family(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="SORTER_DATA"):
        find_weights(None, tmp_path, "mobilenet_v2")
    assert find_weights(None, tmp_path, "vgg16") is None
    assert find_weights(None, tmp_path, "cnn") is None
    with pytest.raises(ConfigError, match=r"no ImageNet weights for a cnn; leave --weights imagenet out"):
        find_weights("imagenet", tmp_path, "cnn")
    with pytest.raises(ConfigError, match=r"own\.h5 are missing"):
        find_weights("own.h5", tmp_path, "vgg16")
    (tmp_path / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5").write_bytes(b"weights")
    assert find_weights(None, tmp_path, "vgg16") == str(tmp_path / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5")
