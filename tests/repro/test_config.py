"""The configuration: the ledger's numbers, the presets' differences, JSON, flags."""

import argparse
import ast
import dataclasses
import json
import re
import typing
from pathlib import Path

import pytest

from repro import config
from repro.config import ConfigError, flags, listing
from scripts import variant_lines
from wrappers.protocol import NATURE, ProtocolError

# The ledger's column "code", number by number.
LEDGER_NATURE = {
    "environment": "atari",
    "protocol.action_repeat_frames": 4,
    "protocol.max_pool_frames": 2,
    "protocol.luminance_weights": (0.299, 0.587, 0.114),
    "protocol.screen_pixels": 84,
    "protocol.resize": "area",
    "protocol.to_byte": "truncate",
    "protocol.stack_frames": 4,
    "protocol.minimal_actions": True,
    "protocol.noop_max_frames": 30,
    "protocol.noops_after_lost_life": True,
    "protocol.life_loss_terminal": True,
    "protocol.clip_rewards": True,
    "protocol.train_cap_frames": 1_728_000,
    "protocol.eval_cap_frames": 18_000,
    "protocol.sticky_probability": 0.0,
    "protocol.game_rules": "2014",
    "agent.network": "nature",
    "agent.hidden_units": 512,
    "agent.initial_weights": "uniform",
    "agent.discount": 0.99,
    "agent.replay_steps": 1_000_000,
    "agent.replay_draw": 512,
    "agent.minibatch": 32,
    "agent.learning_starts_steps": 50_000,
    "agent.update_every_steps": 4,
    "agent.target_every_steps": 10_000,
    "agent.epsilon_start": 1.0,
    "agent.epsilon_end": 0.1,
    "agent.epsilon_hold_steps": 50_000,
    "agent.epsilon_decay_steps": 1_000_000,
    "agent.td_error_clip": 1.0,
    "agent.loss_reduction": "sum",
    "agent.learning_rate": 0.00025,
    "agent.gradient_decay": 0.95,
    "agent.squared_gradient_decay": 0.95,
    "agent.min_squared_gradient": 0.01,
    "training.frames": 200_000_000,
    "training.eval_every_steps": 250_000,
    "training.eval_steps": 125_000,
    "training.periodic_cap_frames": 0,
    "training.eval_epsilon": 0.05,
    "training.final_episodes": 30,
    "training.heldout_states": 500,
}
# What later papers changed, off.
VARIANTS_OFF = {
    "agent.double_q": False,
    "agent.dueling": False,
    "agent.shared_bias": False,
    "agent.gradient_norm": 0.0,
    "agent.return_steps": 1,
    "agent.loss": "huber",
    "agent.gradient_value": 0.0,
    "agent.mlp_widths": (),
    "agent.replay": "uniform",
    "agent.priority_exponent": 0.6,
    "agent.priority_offset": 1e-6,
    "agent.importance_start": 0.4,
    "agent.importance_steps": 50_000_000,
    "agent.target_network": True,
    "agent.target_share": 1.0,
    "agent.epsilon_schedule": "linear",
    "agent.optimiser": "centred-rmsprop",
    "agent.optimiser_epsilon": 1e-8,
    "agent.weight_decay": 0.0,
    "agent.amsgrad": False,
}
# Of our own making: how often rows and checkpoints are written changes no result.
OURS = {
    "training.log_every_steps", "training.checkpoint_every_steps", "training.checkpoint_dir",
    "agent.arithmetic", "agent.learner",
    "training.keep_checkpoint",
}  # fmt: skip

# Rows that say how something is done and leave nothing to choose: the order within a step,
# greedy ties, the random player's rate (a constant of its own), and what is logged.
ROWS_WITHOUT_FIELD = {21, 22, 26, 31}


def leaves(chosen):
    return {part + item.name: value for _, part, item, value in config.fields(chosen)}


def test_nature_is_the_ledgers_code_column():
    found = leaves(config.preset("nature"))
    wanted = LEDGER_NATURE | VARIANTS_OFF
    assert {name: value for name, value in found.items() if name not in OURS} == wanted


def test_an_older_configuration_has_no_variant():
    values = config.to_dict(config.preset("nature"))
    for name in VARIANTS_OFF:
        del values["agent"][name.removeprefix("agent.")]
    assert config.from_dict(values) == config.preset("nature")
    # As JSON has it, so that what was read and what was completed are the same.
    again = json.loads(json.dumps(config.to_dict(config.preset("nature"))))
    assert config.completed(values)["agent"] == again["agent"]


def test_nature_trains_for_50_million_steps():
    chosen = config.preset("nature")
    assert chosen.frames_per_step == 4
    assert chosen.steps == 50_000_000  # row 23


def test_nature_text_differs_where_text_and_code_do():
    # Counts of frames taken as emulator frames are a quarter as many steps; counts of updates
    # are four times as many.
    assert config.differences(config.preset("nature"), config.preset("nature-text")) == {
        "protocol.noops_after_lost_life": (True, False),  # row 8
        "agent.replay_draw": (512, 32),  # row 12: drawn anew for every minibatch
        "agent.learning_starts_steps": (50_000, 50_000 // 4),  # row 13
        "agent.target_every_steps": (10_000, 10_000 * 4),  # row 15
        "agent.epsilon_hold_steps": (50_000, 0),  # row 16: "over the first million frames"
        "agent.epsilon_decay_steps": (1_000_000, 1_000_000 // 4),  # row 16
        "training.eval_every_steps": (250_000, 250_000 // 4),  # row 24
        "training.eval_steps": (125_000, 135_000 // 4),  # row 24
    }


def test_machado2018_differs_by_the_modern_protocol():
    half_an_hour = 30 * 60 * 60  # frames
    assert config.differences(config.preset("nature"), config.preset("machado2018")) == {
        "protocol.minimal_actions": (True, False),
        "protocol.noop_max_frames": (30, 0),  # stickiness takes the place of no-op starts
        "protocol.noops_after_lost_life": (True, False),
        "protocol.life_loss_terminal": (True, False),
        "protocol.train_cap_frames": (1_728_000, half_an_hour),
        "protocol.eval_cap_frames": (18_000, half_an_hour),
        "protocol.sticky_probability": (0.0, 0.25),
        "protocol.game_rules": ("2014", "emulator"),
        "training.periodic_cap_frames": (0, half_an_hour),
    }


# "Quality of the learned policies", "Robustness to human starts" and the appendix of van Hasselt et
# al., 4.2 of Wang et al., 4 and B.2 of Schaul et al.
DOUBLE = {
    "agent.double_q": True,
    "training.eval_every_steps": 1_000_000,
    "training.final_episodes": 100,
}
TUNED = DOUBLE | {
    "protocol.eval_cap_frames": 30 * 60 * 60,  # half an hour
    "agent.target_every_steps": 30_000,
    "agent.epsilon_end": 0.01,
    "training.eval_epsilon": 0.001,
}
PRINTED = {
    "double-dqn": DOUBLE,
    "double-dqn-tuned": TUNED | {"agent.shared_bias": True},
    "dueling": TUNED | {
        "agent.dueling": True, "agent.gradient_norm": 10.0, "agent.learning_rate": 0.0000625,
    },
    "prioritized": TUNED | {
        "agent.shared_bias": True, "agent.replay": "prioritized", "agent.replay_draw": 32,
        "agent.learning_rate": 0.0000625,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", PRINTED)
def test_presets_of_later_papers_differ_by_what_they_print(name):
    found = config.differences(config.preset("nature"), config.preset(name))
    assert {field: value for field, (_, value) in found.items()} == PRINTED[name]
    agent = config.preset(name).agent
    assert (agent.priority_exponent, agent.importance_start) == (0.6, 0.4)
    assert agent.importance_steps == config.preset(name).steps == 50_000_000
    assert agent.priority_offset == 1e-6


@pytest.mark.parametrize("name", config.PRESETS)
def test_every_preset_survives_json(name):
    chosen = config.preset(name)
    again = config.from_dict(json.loads(json.dumps(config.to_dict(chosen))))
    assert again == chosen
    assert hash(again) == hash(chosen)  # tuples are tuples again


def test_every_field_says_unit_source_and_purpose():
    for _, part, item, _ in config.fields(config.preset("nature")):
        name = part + item.name
        assert set(item.metadata) >= {"unit", "source", "row", "doc"}, name
        assert isinstance(item.metadata["unit"], str), name
        assert item.metadata["source"].strip(), name
        assert len(item.metadata["doc"]) > 10, name
        row = item.metadata["row"]
        assert row is None or 1 <= row <= 31, name


def test_names_that_count_carry_their_unit():
    for _, part, item, _ in config.fields(config.preset("nature")):
        for unit in ("frames", "steps", "updates", "episodes", "seconds"):
            if item.name == unit or item.name.endswith(f"_{unit}"):
                assert item.metadata["unit"].endswith(unit), part + item.name


def test_every_ledger_row_that_is_a_choice_has_a_field():
    fields = config.fields(config.preset("nature"))
    covered = {item.metadata["row"] for _, _, item, _ in fields} - {None}
    assert covered == set(range(1, 32)) - ROWS_WITHOUT_FIELD


def test_unknown_preset_names_those_there_are():
    with pytest.raises(ConfigError, match="nature, nature-text, machado2018"):
        config.preset("natur")


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("agent", "discount", 1.01),
        ("agent", "epsilon_start", 1.5),
        ("agent", "epsilon_end", -0.1),
        ("agent", "replay_draw", 500),  # not a multiple of 32
        ("agent", "minibatch", 0),
        ("agent", "replay_steps", 4),  # no room for a stack and its successor
        ("agent", "learning_starts_steps", 4),
        ("agent", "target_share", 0.0),
        ("agent", "mlp_widths", [64, 0]),
        ("agent", "target_share", 1.5),
        ("agent", "return_steps", 0),
        ("agent", "return_steps", 50_000),  # the first return would come after learning starts
        ("agent", "learning_rate", 0.0),
        ("agent", "learning_rate", float("nan")),
        ("agent", "learning_rate", float("inf")),
        ("agent", "min_squared_gradient", 0.0),  # the optimiser refuses it
        ("agent", "min_squared_gradient", float("nan")),
        ("agent", "gradient_decay", 1.0),  # the mean would never move; the optimiser refuses it
        ("agent", "squared_gradient_decay", 1.0),
        ("agent", "td_error_clip", float("nan")),
        ("training", "frames", 0),
        ("training", "frames", 3),  # less than one step
        ("training", "frames", -4),
        ("training", "eval_epsilon", 2.0),
        ("training", "final_episodes", 0),
        ("training", "log_every_steps", 0),
    ],
)
def test_values_out_of_range_are_refused_by_name(part, name, value):
    values = config.to_dict(config.preset("nature"))
    values[part][name] = value
    with pytest.raises(ConfigError, match=name):
        config.from_dict(values)


def test_protocol_values_out_of_range_are_refused_too():
    values = config.to_dict(config.preset("nature"))
    values["protocol"]["sticky_probability"] = 1.0
    with pytest.raises(ConfigError, match="sticky_probability"):
        config.from_dict(values)
    with pytest.raises(ProtocolError, match="stack_frames"):
        type(NATURE)(stack_frames=0)


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("environment", "gym", "'atari', 'gymnasium'"),
        ("agent.network", "natrue", "'nature', 'linear', 'mlp'"),
        ("agent.initial_weights", "he", "'lecun-normal'"),
        ("agent.loss_reduction", None, "'sum', 'mean'"),
        ("agent.hidden_units", 51.5, "a whole number"),
        ("agent.hidden_units", True, "a whole number"),
        ("agent.hidden_units", 10**16, "at most"),
        ("agent.minibatch", "32", "a whole number"),
        ("agent.discount", "0.99", "a number"),
        ("agent.discount", True, "a number"),
        ("training.frames", 2e8, "a whole number"),
        ("protocol.stack_frames", "4", "a whole number"),
        ("protocol.max_pool_frames", 2.0, "1, 2"),
        ("protocol.clip_rewards", 1, "true or false"),
        ("protocol.luminance_weights", [0.5, 0.5], "3 numbers"),
        ("protocol.luminance_weights", [0.3, 0.3, "0.3"], "3 numbers"),
        ("protocol.luminance_weights", 1.0, "3 numbers"),
        ("agent.mlp_widths", ["64"], "numbers"),
        ("agent.mlp_widths", 64, "numbers"),
        ("agent.mlp_widths", [64.0], "numbers"),
    ],
)
def test_values_of_another_type_are_refused_by_name(field, value, wanted):
    values = config.to_dict(config.preset("nature"))
    part, _, name = field.rpartition(".")
    (values[part] if part else values)[name] = value
    with pytest.raises(ConfigError) as refused:
        config.from_dict(values)
    for word in (field, wanted, repr(value).strip("[]")):
        assert word in str(refused.value)


def test_a_network_that_does_not_exist_is_refused_in_code_too():
    with pytest.raises(ConfigError, match="natrue"):
        config.Config(agent=config.AgentConfig(network="natrue"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dueling": True, "network": "linear"}, "dueling needs network 'nature', not 'linear'"),
        ({"amsgrad": True}, "amsgrad needs optimiser 'adam' or 'adamw', not 'centred-rmsprop'"),
        ({"amsgrad": True, "optimiser": "torch-rmsprop"}, "amsgrad needs optimiser"),
        ({"weight_decay": 0.1}, "weight_decay needs optimiser"),
        ({"optimiser": "torch-rmsprop", "gradient_decay": 0.9}, "has one decay"),
        ({"target_network": False, "double_q": True}, "without target_network"),
        ({"target_network": False, "target_share": 0.5}, "without target_network"),
        ({"epsilon_schedule": "exponential", "epsilon_end": 0.0}, "epsilon_end above 0"),
        ({"optimiser_epsilon": 1e-4}, "optimiser_epsilon needs another optimiser"),
        ({"priority_exponent": 0.7}, "priority_exponent needs replay 'prioritized', not 'uniform'"),
        (
            {"importance_steps": 5, "replay": "latest", "replay_draw": 32},
            "importance_steps needs replay 'prioritized', not 'latest'",
        ),
        ({"replay": "latest"}, "needs replay_draw (512) to be minibatch (32)"),
        ({"mlp_widths": (64,)}, "mlp_widths are those of network 'mlp', not 'nature'"),
        ({"loss": "clipped-square", "td_error_clip": 0.0}, "needs a bound: td_error_clip"),
    ],
)
def test_what_cannot_work_together_is_refused_with_the_reason(changes, words):
    with pytest.raises(ConfigError) as refused:
        config.Config(agent=config.AgentConfig(**changes))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_whole_numbers_are_numbers():
    values = config.to_dict(config.preset("nature"))
    values["agent"]["discount"] = 1
    assert config.from_dict(values).agent.discount == 1


@pytest.mark.parametrize("part", ["protocol", "agent", "training"])
@pytest.mark.parametrize("value", [5, "text", None, [1]])
def test_parts_that_are_no_tables_are_refused(part, value):
    values = config.to_dict(config.preset("nature"))
    values[part] = value
    with pytest.raises(ConfigError, match="not a configuration"):
        config.from_dict(values)


@pytest.mark.parametrize("part", ["protocol", "agent", "training"])
def test_from_dict_refuses_missing_and_unknown_parts(part):
    missing = config.to_dict(config.preset("nature"))
    del missing[part]
    with pytest.raises(ConfigError, match=part):
        config.from_dict(missing)
    unknown = config.to_dict(config.preset("nature"))
    unknown[part]["surprise"] = 1
    with pytest.raises(ConfigError, match="surprise"):
        config.from_dict(unknown)


NEEDED = {
    "weight_decay": {"optimiser": "adam"},
    "amsgrad": {"optimiser": "adam"},
    "mlp_widths": {"network": "mlp"},
    "replay": {"replay_draw": 32},
    "optimiser_epsilon": {"optimiser": "adam"},
    "priority_exponent": {"replay": "prioritized"},
    "priority_offset": {"replay": "prioritized"},
    "importance_start": {"replay": "prioritized"},
    "importance_steps": {"replay": "prioritized"},
}


def test_every_field_has_a_flag_that_sets_it_and_nothing_else():
    default = config.preset("nature")
    for owner, part, item, value in config.fields(default):
        parser = argparse.ArgumentParser()
        flags.add_settings(parser, default)
        flag = "--" + item.name.replace("_", "-")
        choices = typing.get_args(typing.get_type_hints(type(owner))[item.name])
        if isinstance(value, bool):
            wanted, words = not value, [flag.replace("--", "--no-", 1) if value else flag]
        elif item.name == "mlp_widths":
            wanted, words = (64, 32, 16), [flag, "64", "32", "16"]
        elif isinstance(value, tuple):
            wanted, words = (0.25, 0.5, 0.25), [flag, "0.25", "0.5", "0.25"]
        elif isinstance(value, str) and not choices:
            wanted, words = "some/where", [flag, "some/where"]
        elif item.name in ("max_pool_frames",) or isinstance(value, str):
            wanted = next(choice for choice in choices if choice != value)
            words = [flag, str(wanted)]
        elif isinstance(value, int):
            # Twice as much fits everywhere; where 0 is the default, any number does.
            wanted = value * 2 or 1_000
            words = [flag, str(wanted)]
        else:
            wanted = value / 2 or 0.125
            words = [flag, repr(wanted)]
        if item.name == "minibatch":  # 64 divides 512
            assert wanted == 64
        # What goes with another setting only is set beside it.
        base = dataclasses.replace(default, agent=dataclasses.replace(
            default.agent, **NEEDED.get(item.name, {})
        ))  # fmt: skip
        chosen = flags.read_settings(parser.parse_args(words), base)
        assert config.differences(base, chosen) == {part + item.name: (value, wanted)}


@pytest.mark.parametrize(
    ("text", "value"), [("1000", 1000), ("1_000_000", 10**6), ("1e6", 10**6), ("2.5e5", 250_000)]
)
def test_counts_may_be_written_as_people_write_them(text, value):
    assert flags.count(text) == value
    assert flags.natural(text) == value


def test_counts_that_are_none():
    assert flags.natural("0") == 0
    for text in ("0", "-1", "1.5", "nan", "inf", "ten", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            flags.count(text)
    for text in ("-1", "1.5", "nan", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            flags.natural(text)


def test_the_fidelity_document_names_code_and_tests_that_exist():
    root = Path(__file__).parents[2]
    rows = [
        line.split("|")[1:-1]
        for line in (root / "docs" / "fidelity.md").read_text().splitlines()
        if re.match(r"\| +\d+ \|", line)
    ]
    assert [int(row[0]) for row in rows] == list(range(1, 32))
    for row in rows:
        tests = re.findall(r"`(test_\w+\.py)`", row[4])
        assert tests
        assert all(list((root / "tests").rglob(test)) for test in tests)
        assert all((root / path).exists() for path in re.findall(r"`([\w/]+/\w+\.py)`", row[3]))


def test_what_a_preset_changes_has_a_source_of_its_own():
    for name, source in {
        "nature-text": "text, taken literally",
        "machado2018": "Machado et al. (2018)",
        "double-dqn": "van Hasselt et al. (2016)",
        "double-dqn-tuned": "van Hasselt et al. (2016), tuned",
        "dueling": "Wang et al. (2016)",
        "prioritized": "Schaul et al. (2016)",
    }.items():
        found = listing.lines(name, "nature")
        assert found
        for line in found:
            assert line.source.split(" | ")[0] == source


def test_every_preset_has_a_row_of_its_own():
    header, *rows = listing.presets_as_text().splitlines()
    assert header.split()[0] == "preset"
    assert [row.split()[0] for row in rows] == list(config.PRESETS)
    (row,) = (row for row in rows if row.startswith("dueling "))
    assert "Wang et al. (2016)" in row
    changes = row.split("Wang et al. (2016)")[1].strip().split(", ")
    assert sorted(changes) == [
        "double_q yes", "dueling yes", "epsilon_end 0.01", "eval_cap_frames 108,000",
        "eval_epsilon 0.001", "eval_every_steps 1,000,000", "final_episodes 100",
        "gradient_norm 10.0", "learning_rate 6.25e-05", "target_every_steps 30,000",
    ]  # fmt: skip


# --- the documents -----------------------------------------------------------------------

DOCS = Path(__file__).parents[2] / "docs"


def test_departures_are_numbered_and_each_has_its_test():
    text = (DOCS / "departures.md").read_text()
    rows = [line.split("|")[1:-1] for line in text.splitlines() if re.match(r"\| *\d", line)]
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))
    written = "\n".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    for row in rows:
        names = row[1].strip().split(", ")
        assert names == ["all"] or set(names) <= set(config.PRESETS)
        assert re.search(r"`test_\w+`", row[4])
    for test in re.findall(r"`(test_\w+)`", text):
        assert f"def {test}(" in written


@pytest.mark.parametrize("name", PRINTED)
def test_every_value_of_a_later_paper_says_what_it_was_checked_against(name):
    text = (DOCS / "departures.md").read_text()
    rows = re.findall(rf"^\| {name} \| `(\w+)` \| (\S+) \| (.+) \|$", text, re.MULTILINE)
    wanted = {field.split(".")[1]: value for field, value in PRINTED[name].items()}
    found = {setting: read_value(value, type(wanted[setting])) for setting, value, _ in rows}
    assert found == wanted
    assert len(rows) == len(wanted)


def read_value(text, kind):
    return text == "yes" if kind is bool else kind(text.replace(",", ""))


def test_the_lines_of_variants_are_those_that_are_counted():
    text = (DOCS.parent / "README.md").read_text()
    assert variant_lines.BEGIN + variant_lines.table() + variant_lines.END in text


def test_every_variants_field_is_in_the_table():
    fields = {field for one in variant_lines.VARIANTS for field in one.fields} | {"replay"}
    assert {f"agent.{name}" for name in fields} == set(VARIANTS_OFF)


def test_lines_are_counted_as_a_reader_would():
    source = """def f(config):
    '''Doc.'''
    if config.x:
        # why
        a = 1

    return config.y + agent.x
"""
    tree, lines = ast.parse(source), source.splitlines()
    assert variant_lines.code_lines(tree, lines) == {1, 3, 5, 7}
    assert [one.lineno for one in variant_lines.reading(tree, ["x"])] == [3]
    assert [one.lineno for one in variant_lines.reading(tree, ["y"])] == [7]
    assert [one.lineno for one in variant_lines.reading(tree, [], ["a"])] == [5]
