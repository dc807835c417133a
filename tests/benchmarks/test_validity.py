"""What speaks against believing a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from edge_recog_benchmarks.device.events import (
    Burst,
    Failed,
    ModelFacts,
    SystemFacts,
    SystemSample,
)
from edge_recog_benchmarks.device.plan import Contestant, Plan
from edge_recog_benchmarks.results import ContestantResult, Finding, Result
from edge_recog_benchmarks.validity import findings_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Runs = Callable[..., Result]

SECOND = 10**9
END_S = 1000
"""The fixture's bursts are at 0-901 s."""
KINDS = {
    "invalid": {
        "incomplete", "failed", "missing-generation", "too-short", "noisy", "throttled",
        "frequency", "load", "steal", "clock",
    },
    "warning": {
        "one-generation", "switches", "dropped", "governor", "hot", "warming", "throttled-before",
        "wall-clock", "cannot-tell-throttling", "cannot-tell-load", "throttled", "frequency",
    },
}  # fmt: skip


def look(at_s: float, **changes: Any) -> SystemSample:
    """Return a look at a Raspberry Pi of which this run uses one of four cores."""
    fields: dict[str, Any] = {
        "at_ns": int(at_s * SECOND),
        "temperature_c": 55.0,
        "frequencies_mhz": (2400.0,) * 4,
        "throttled": 0,
        "load_1min": 1.0,
        "cpu_ns": (int(at_s * SECOND), 0, int(4 * at_s * SECOND)),
        "own_cpu_ns": int(at_s * SECOND),
        "wall_clock_s": 1_795_478_848.0 + at_s,
    }
    return SystemSample(**fields | changes)


def looks(**at: dict[str, Any]) -> tuple[SystemSample, ...]:
    """Return a look every 100 s; `t300={…}` changes that at 300 s, `later={…}` all but the first.

    A value that is a function is given the time in seconds.
    """
    history = []
    for at_s in range(0, END_S + 1, 100):
        changes = {**(at.get("later", {}) if at_s else {}), **at.get(f"t{at_s}", {})}
        history.append(
            look(at_s, **{key: v(at_s) if callable(v) else v for key, v in changes.items()})
        )
    return tuple(history)


@pytest.fixture
def run(make_result: Callable[..., Result]) -> Runs:
    """Return what makes a run that nothing speaks against, but for what is changed.

    `plan` has the changes of the plan, `bursts` what changes a tuple of bursts.
    """

    def make(
        plan: dict[str, Any] | None = None,
        bursts: Callable[[tuple[Burst, ...]], Sequence[Burst]] | None = None,
        samples: Sequence[float] = (4.9, 5.0, 5.0, 5.1, 5.0, 5.3, 5.0, 5.0),
        failed: Failed | None = None,
        **changes: Any,
    ) -> Result:
        generations = [[list(samples)] * 2 for _ in range((plan or {}).get("generations", 10))]
        result = make_result({"one": generations}, **{"history": looks(), **changes})
        part = result.contestants[0]
        measured = tuple(bursts(part.bursts) if bursts else part.bursts)
        part = msgspec.structs.replace(part, bursts=measured, failed=failed)
        return msgspec.structs.replace(
            result,
            plan=msgspec.structs.replace(result.plan, **plan or {}),
            contestants=(part,),
        )

    return make


def told(result: Result, **options: Any) -> list[tuple[str, str, str]]:
    """Return severity, kind and contestant of all findings."""
    found = findings_of(result, **options)
    return [(one.severity, one.kind, one.contestant) for one in found]


def the(result: Result, kind: str) -> Finding:
    """Return the only finding of a kind."""
    (finding,) = [one for one in findings_of(result) if one.kind == kind]
    return finding


def each(**changes: Any) -> Callable[[tuple[Burst, ...]], list[Burst]]:
    return lambda bursts: [msgspec.structs.replace(burst, **changes) for burst in bursts]


def first(**changes: Any) -> Callable[[tuple[Burst, ...]], list[Burst]]:
    return lambda bursts: [msgspec.structs.replace(bursts[0], **changes), *bursts[1:]]


def test_nothing_speaks_against_a_sound_run(run: Runs) -> None:
    assert findings_of(run()) == ()


def test_what_makes_it_invalid_comes_first(run: Runs) -> None:
    history = looks(later={"throttled": 1, "temperature_c": 84.0})
    severities = [one.severity for one in findings_of(run(history=history, complete=False))]

    assert severities == sorted(severities)
    assert set(severities) == {"invalid", "warning"}


class TestTheRun:
    def test_a_stopped_one_is_invalid(self, run: Runs) -> None:
        assert told(run(complete=False)) == [("invalid", "incomplete", "")]

    def test_a_stopped_one_is_not_blamed_for_missing_generations(self, run: Runs) -> None:
        assert told(
            run(plan={"generations": 12}, bursts=lambda all_: all_[:20], complete=False)
        ) == [("invalid", "incomplete", "")]

    def test_a_generation_that_is_missing_is_named(self, run: Runs) -> None:
        result = run(bursts=lambda all_: [burst for burst in all_ if burst.generation != 3])

        assert told(result) == [("invalid", "missing-generation", "one")]
        assert (
            "9 of 10 generations: number 4 is missing" in the(result, "missing-generation").reason
        )

    def test_generations_that_were_not_planned_do_not_stand_in(self, run: Runs) -> None:
        def renumber(bursts: tuple[Burst, ...]) -> list[Burst]:
            return [
                msgspec.structs.replace(
                    one, generation=-1 if one.generation == 3 else one.generation
                )
                for one in bursts
            ]

        assert ("invalid", "missing-generation", "one") in told(run(bursts=renumber))

    def test_no_sample_at_all_is_a_missing_generation(self, run: Runs) -> None:
        assert told(run(bursts=lambda all_: [])) == [("invalid", "missing-generation", "one")]


class TestThrottling:
    @pytest.mark.parametrize(
        ("bits", "name"),
        [
            (0x1, "undervoltage"),
            (0x2, "clock frequency capped"),
            (0x4, "throttled"),
            (0x8, "soft temperature limit"),
            (0x5, "undervoltage, throttled"),
        ],
    )
    def test_slow_now_makes_it_invalid(self, run: Runs, bits: int, name: str) -> None:
        result = run(history=looks(t300={"throttled": bits}, t400={"throttled": bits}))

        assert told(result) == [("invalid", "throttled", "")]
        assert f"({name}): first seen 300.0 s into the run, at 2 of 11 looks" in (
            the(result, "throttled").reason
        )

    @pytest.mark.parametrize("at_s", [0, END_S], ids=["before", "after"])
    def test_slow_right_before_or_after_counts_as_well(self, run: Runs, at_s: int) -> None:
        assert told(run(history=looks(**{f"t{at_s}": {"throttled": 4}}))) == [
            ("invalid", "throttled", "")
        ]

    @pytest.mark.parametrize("bits", [0x10000, 0x20000, 0x40000, 0x80000])
    def test_slow_between_two_looks_makes_it_invalid(self, run: Runs, bits: int) -> None:
        later = {key: {"throttled": bits} for key in ("t900", "t1000")}
        result = run(history=looks(**later))

        assert told(result) == [("invalid", "throttled", "")]
        assert "at 1 of 11 looks" in the(result, "throttled").reason

    def test_slow_before_the_run_is_a_warning(self, run: Runs) -> None:
        history = looks(t0={"throttled": 0x50000}, later={"throttled": 0x50000})

        assert told(run(history=history)) == [("warning", "throttled-before", "")]
        assert "undervoltage, throttled" in the(run(history=history), "throttled-before").reason

    def test_what_was_cleared_and_noted_again_is_new(self, run: Runs) -> None:
        history = looks(t0={"throttled": 0x10000}, t500={"throttled": 0x10000})

        assert told(run(history=history)) == [("invalid", "throttled", "")]

    def test_looks_at_which_it_was_not_told_change_nothing(self, run: Runs) -> None:
        history = looks(
            t0={"throttled": 0x10000},
            t100={"throttled": None},
            later={"throttled": 0x10000},
        )

        assert told(run(history=history)) == [("warning", "throttled-before", "")]

    def test_unknown_bits_are_passed_over(self, run: Runs) -> None:
        assert told(run(history=looks(t300={"throttled": 0x7FF0FFF0}))) == []

    @pytest.mark.parametrize(
        ("bits", "cure"), [(0x1, "power supply"), (0x4, "fan"), (0x5, "power supply")]
    )
    def test_the_advice_fits_the_cause(self, run: Runs, bits: int, cure: str) -> None:
        assert cure in the(run(history=looks(t300={"throttled": bits})), "throttled").advice

    def test_heat_is_what_sustained_wants_to_see(self, run: Runs) -> None:
        sustained = {"scenario": "sustained"}
        hot, weak = (looks(t300={"throttled": bits}) for bits in (0x8, 0x9))

        assert told(run(plan=sustained, history=hot)) == [("warning", "throttled", "")]
        assert told(run(plan=sustained, history=weak)) == [("invalid", "throttled", "")]

    @pytest.mark.parametrize(
        "known",
        [{}, {"temperature_c": 50.0}, {"frequencies_mhz": (2400.0,)}, {"throttled": 0}],
        ids=["nothing", "temperature", "frequency", "throttling"],
    )
    def test_a_machine_that_tells_nothing_of_it_is_told_of_once(
        self, run: Runs, known: dict[str, Any]
    ) -> None:
        mute = {"temperature_c": None, "frequencies_mhz": (), "throttled": None, **known}
        expected = [] if known else [("warning", "cannot-tell-throttling", "")]

        assert told(run(history=looks(t0=mute, later=mute))) == expected


class TestFrequency:
    @pytest.mark.parametrize(
        ("mhz", "expected"),
        [(2161.0, []), (2159.0, [("invalid", "frequency", "")])],
        ids=["above nine tenths", "below"],
    )
    def test_a_clock_that_falls_makes_it_invalid(
        self, run: Runs, mhz: float, expected: list[Any]
    ) -> None:
        assert told(run(history=looks(t300={"frequencies_mhz": (mhz,) * 4}))) == expected

    def test_both_clocks_are_named(self, run: Runs) -> None:
        history = looks(
            t300={"frequencies_mhz": (1500.0,)}, t400={"frequencies_mhz": (1800.0, 600.0)}
        )
        reason = the(run(history=history), "frequency").reason

        assert "1500 MHz, 62.5 % of the 2400 MHz it can reach, 300.0 s into the run" in reason
        assert "below 90 % of them at 2 of 10 looks" in reason

    def test_idle_cores_may_rest(self, run: Runs) -> None:
        assert told(run(history=looks(t300={"frequencies_mhz": (600.0, 2400.0)}))) == []

    def test_before_and_after_measuring_the_clock_may_rest(self, run: Runs) -> None:
        history = (look(-5, frequencies_mhz=(600.0,)), *looks(t1000={"frequencies_mhz": (600.0,)}))

        assert told(run(history=history)) == []

    def test_without_a_look_meanwhile_those_around_count(self, run: Runs) -> None:
        idle = {"cpu_ns": (0, 0, 0), "own_cpu_ns": 0}
        history = (look(-5, frequencies_mhz=(600.0,), **idle), look(1000))

        assert told(run(history=history)) == [("invalid", "frequency", "")]

    def test_without_a_known_limit_the_highest_seen_counts(self, run: Runs) -> None:
        facts = SystemFacts(cores=4, machine={})
        history = looks(t300={"frequencies_mhz": (1500.0,)})

        assert told(run(system=facts, history=history)) == [("invalid", "frequency", "")]

    def test_a_machine_that_tells_no_clock_is_not_blamed(self, run: Runs) -> None:
        mute = {"frequencies_mhz": ()}

        assert told(run(history=looks(t0=mute, later=mute))) == []

    @pytest.mark.parametrize(
        ("scenario", "governor", "severity"),
        [
            ("single-stream", "ondemand", "invalid"),
            ("paced", "ondemand", "warning"),
            ("paced", "performance", "invalid"),
            ("sustained", "performance", "warning"),
        ],
    )
    def test_how_grave_it_is_depends_on_what_was_wanted(
        self, run: Runs, scenario: str, governor: str, severity: str
    ) -> None:
        result = run(
            plan={"scenario": scenario},
            system=SystemFacts(governor=governor, max_frequency_mhz=2400.0, cores=4, machine={}),
            history=looks(t300={"frequencies_mhz": (1500.0,)}),
        )
        finding = the(result, "frequency")

        assert finding.severity == severity
        assert ("scaling_governor" in finding.advice) == (governor == "ondemand")


class TestLoad:
    def busy(self, share: float) -> Callable[[int], tuple[int, int, int]]:
        """Return processor time of which others have a share of all."""
        return lambda at_s: (int((1 + 4 * share) * at_s * SECOND), 0, 4 * at_s * SECOND)

    @pytest.mark.parametrize(
        ("share", "expected"),
        [(0.09, []), (0.11, [("invalid", "load", "")])],
        ids=["little", "much"],
    )
    def test_other_programs_make_it_invalid(
        self, run: Runs, share: float, expected: list[Any]
    ) -> None:
        assert told(run(history=looks(later={"cpu_ns": self.busy(share)}))) == expected

    def test_figures_are_named(self, run: Runs) -> None:
        history = looks(later={"cpu_ns": self.busy(0.234)})

        assert "23.4 % of all cores' time" in the(run(history=history), "load").reason

    def test_own_work_does_not_count(self, run: Runs) -> None:
        history = looks(
            later={
                "cpu_ns": lambda at_s: (4 * at_s * SECOND, 0, 4 * at_s * SECOND),
                "own_cpu_ns": lambda at_s: 4 * at_s * SECOND,
            }
        )

        assert told(run(history=history)) == []

    def test_work_before_measuring_does_not_count(self, run: Runs) -> None:
        history = (
            look(-100, cpu_ns=(0, 0, 0), own_cpu_ns=0),
            look(-50, cpu_ns=(200 * SECOND, 0, 200 * SECOND), own_cpu_ns=0),
            look(1000, cpu_ns=(1250 * SECOND, 0, 4400 * SECOND), own_cpu_ns=1050 * SECOND),
        )

        assert told(run(history=history)) == []

    @pytest.mark.parametrize(
        ("share", "expected"),
        [(0.019, []), (0.05, [("invalid", "steal", "")])],
        ids=["little", "much"],
    )
    def test_time_stolen_by_the_hypervisor_makes_it_invalid(
        self, run: Runs, share: float, expected: list[Any]
    ) -> None:
        def cpu_ns(at_s: int) -> tuple[int, int, int]:
            return at_s * SECOND, int(4 * share * at_s * SECOND), 4 * at_s * SECOND

        assert told(run(history=looks(later={"cpu_ns": cpu_ns}))) == expected

    @pytest.mark.parametrize(
        "history",
        [
            (),
            (look(0),),
            looks(t0={"cpu_ns": None}, later={"cpu_ns": None}),
            looks(t0={"cpu_ns": (1, 0, 4)}, later={"cpu_ns": (1, 0, 4)}),
        ],
        ids=["no look", "one look", "untold", "standing still"],
    )
    def test_load_that_cannot_be_told_is_a_warning(
        self, run: Runs, history: tuple[SystemSample, ...]
    ) -> None:
        assert ("warning", "cannot-tell-load", "") in told(run(history=history))


class TestClocks:
    @pytest.mark.parametrize("at_s", [100, 50], ids=["stood still", "went back"])
    def test_a_clock_that_does_not_go_on_makes_it_invalid(self, run: Runs, at_s: int) -> None:
        history = looks(t200={"at_ns": at_s * SECOND, "wall_clock_s": 0.0})

        assert told(run(history=history)) == [("invalid", "clock", "")]
        assert "1 of 10 times" in the(run(history=history), "clock").reason

    @pytest.mark.parametrize(
        "bursts",
        [
            first(samples={"end_to_end": (5, 0, 5)}),
            first(samples={"end_to_end": (5, -1, 5)}),
            first(samples={"end_to_end": (5, 5), "invoke": (-1, 4)}),
            first(samples={"end_to_end": (5, 2**63)}),
            first(elapsed_ns=0),
            first(elapsed_ns=-5),
            first(started_ns=5 * SECOND),
        ],
        ids=["zero", "negative", "stage", "huge", "no time", "backwards", "order"],
    )
    def test_samples_that_cannot_be_make_it_invalid(
        self, run: Runs, bursts: Callable[..., Sequence[Burst]]
    ) -> None:
        result = run(bursts=bursts)

        assert told(result) == [("invalid", "clock", "one")]
        assert "in 1 of 20 bursts" in the(result, "clock").reason

    def test_a_stage_may_take_no_time(self, run: Runs) -> None:
        samples = {"decode": (0,) * 8, "end_to_end": (5_000_000,) * 8}

        assert told(run(bursts=each(samples=samples))) == []

    @pytest.mark.parametrize(
        ("step_s", "expected"),
        [
            (0.9, []),
            (1.5, [("warning", "wall-clock", "")]),
            (-3600, [("warning", "wall-clock", "")]),
        ],
        ids=["slewed", "set", "set back"],
    )
    def test_date_and_time_that_were_set_are_a_warning(
        self, run: Runs, step_s: float, expected: list[Any]
    ) -> None:
        history = tuple(
            msgspec.structs.replace(one, wall_clock_s=one.wall_clock_s + step_s * (index > 4))
            for index, one in enumerate(looks())
        )

        assert told(run(history=history)) == expected

    def test_a_device_that_knows_no_date_is_not_blamed(self, run: Runs) -> None:
        assert told(run(history=looks(t300={"wall_clock_s": 0.0}))) == []


class TestSamples:
    def test_a_contestant_that_failed_is_out_and_the_others_stand(
        self, make_result: Callable[..., Result]
    ) -> None:
        result = make_result(
            {"one": [[[5.0] * 40]] * 2, "two": [[[5.0] * 40]] * 2}, history=looks()
        )
        broken = msgspec.structs.replace(
            result.contestants[1],
            bursts=(),
            failed=Failed(contestant="two", generation=1, reason="its process crashed (SIGSEGV)"),
        )
        result = msgspec.structs.replace(
            result,
            plan=msgspec.structs.replace(result.plan, generations=2),
            contestants=(result.contestants[0], broken),
        )

        assert told(result) == [("invalid", "failed", "two")]
        assert the(result, "failed").reason == (
            "it failed in generation 2: its process crashed (SIGSEGV)"
        )

    def test_a_rehearsal_that_failed_has_no_generation(self, run: Runs) -> None:
        failed = Failed(contestant="one", generation=-1, reason="no such file")
        result = run(failed=failed, bursts=lambda all_: [])

        assert the(result, "failed").reason == "it failed: no such file"

    @pytest.mark.parametrize(
        ("samples", "percentile", "expected"),
        [
            (63, 90, [("invalid", "too-short", "one")]),
            (64, 90, []),
            (661, 99, [("invalid", "too-short", "one")]),
            (662, 99, []),
        ],
    )
    def test_a_percentile_takes_as_many_samples_as_mlperf_asks_for(
        self, run: Runs, samples: int, percentile: float, expected: list[Any]
    ) -> None:
        def resize(bursts: tuple[Burst, ...]) -> list[Burst]:
            sizes = [samples // 20 + (index < samples % 20) for index in range(20)]
            return [
                msgspec.structs.replace(
                    burst, samples={"end_to_end": (5_000_000,) * size}, pictures=size
                )
                for burst, size in zip(bursts, sizes, strict=True)
            ]

        assert told(run(bursts=resize), percentile=percentile) == expected

    def test_too_few_samples_are_counted_and_the_time_for_enough_is_named(self, run: Runs) -> None:
        result = run(bursts=each(samples={"end_to_end": (2 * SECOND,)}, elapsed_ns=2 * SECOND))
        finding = the(result, "too-short")

        assert finding.reason == "20 samples are too few for p90: it takes 64"
        assert finding.advice == "measure longer: --seconds 154"

    def test_throughput_needs_no_samples(self, run: Runs) -> None:
        offline = {"scenario": "offline"}

        assert told(run(plan=offline, bursts=each(samples={"end_to_end": ()}))) == []

    def test_a_median_that_differs_from_process_to_process_is_noisy(self, run: Runs) -> None:
        def scatter(bursts: tuple[Burst, ...]) -> list[Burst]:
            return [
                msgspec.structs.replace(
                    burst,
                    samples={"end_to_end": (5_000_000 + 1_000_000 * (burst.generation % 2),) * 8},
                )
                for burst in bursts
            ]

        result = run(bursts=scatter)

        assert told(result) == [("invalid", "noisy", "one")]
        # Student's t of 9 degrees, 2.262, times the deviation of ln 5 and ln 6, over root 10.
        assert the(result, "noisy").reason == (
            "its median latency is known to ±7.12 % only: it was 5 to 6 ms in 10 generations"
        )

    def test_noise_within_a_process_does_not_make_its_median_noisy(self, run: Runs) -> None:
        assert told(run(samples=(3.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 9.0))) == []

    def test_offline_it_is_the_throughput_that_must_not_differ(self, run: Runs) -> None:
        def scatter(bursts: tuple[Burst, ...]) -> list[Burst]:
            return [
                msgspec.structs.replace(
                    burst, samples={"end_to_end": ()}, pictures=100 + 40 * (burst.generation % 2)
                )
                for burst in bursts
            ]

        result = run(plan={"scenario": "offline"}, bursts=scatter)

        assert told(result) == [("invalid", "noisy", "one")]
        assert "pictures/s" in the(result, "noisy").reason

    @pytest.mark.parametrize(
        ("scenario", "expected"),
        [("single-stream", [("warning", "one-generation", "one")]), ("sustained", [])],
    )
    def test_a_single_process_cannot_tell_how_much_processes_differ(
        self, run: Runs, scenario: str, expected: list[Any]
    ) -> None:
        result = run(plan={"generations": 1, "scenario": scenario}, samples=(5.0,) * 40)

        assert told(result) == expected


class TestCircumstances:
    @pytest.mark.parametrize(
        ("governor", "expected"),
        [
            ("performance", []),
            ("", []),
            ("ondemand", [("warning", "governor", "")]),
            ("performance,powersave", [("warning", "governor", "")]),
        ],
    )
    def test_a_clock_that_follows_the_load_is_a_warning(
        self, run: Runs, governor: str, expected: list[Any]
    ) -> None:
        facts = SystemFacts(governor=governor, max_frequency_mhz=2400.0, cores=4, machine={})

        assert told(run(system=facts)) == expected

    @pytest.mark.parametrize(
        ("start", "peak", "expected"),
        [
            (70.0, 70.0, []),
            (70.5, 70.5, ["hot"]),
            (50.0, 65.0, []),
            (50.0, 66.0, ["warming"]),
            (71.0, 87.0, ["hot", "warming"]),
        ],
    )
    def test_heat_is_a_warning(
        self, run: Runs, start: float, peak: float, expected: list[str]
    ) -> None:
        history = looks(
            t0={"temperature_c": start},
            later={"temperature_c": start},
            t900={"temperature_c": peak},
        )

        assert told(run(history=history)) == [("warning", kind, "") for kind in expected]

    def test_sustained_is_there_to_warm_up(self, run: Runs) -> None:
        history = looks(t900={"temperature_c": 79.0})

        assert told(run(plan={"scenario": "sustained"}, history=history)) == []

    @pytest.mark.parametrize(
        ("switches", "elapsed_ns", "expected"),
        [
            (0, 40_000_000, []),
            (2, 40_000_000, []),
            (3, 40_000_000, [("warning", "switches", "one")]),
            (3, 4 * SECOND, []),
            (1, 10_000_000, [("warning", "switches", "one")]),
        ],
        ids=["none", "at the limit", "many", "seldom", "one in eight"],
    )
    def test_interrupted_samples_are_a_warning_once_they_reach_the_percentile(
        self, run: Runs, switches: int, elapsed_ns: int, expected: list[Any]
    ) -> None:
        result = run(bursts=each(switches=switches, elapsed_ns=elapsed_ns))

        assert told(result) == expected

    def test_dropped_pictures_are_a_warning(self, run: Runs) -> None:
        result = run(plan={"scenario": "paced"}, bursts=first(dropped=40))

        assert told(result) == [("warning", "dropped", "one")]
        assert "40 of 200 pictures (20 %)" in the(result, "dropped").reason


_INTEGERS = st.integers() | st.sampled_from([0, 1, -1, 2**63, -(2**63), 10**400, SECOND])
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_SAMPLES = st.builds(
    SystemSample,
    at_ns=_INTEGERS,
    temperature_c=st.none() | _FLOATS,
    frequencies_mhz=st.lists(_FLOATS, max_size=3).map(tuple),
    throttled=st.none() | _INTEGERS,
    load_1min=st.none() | _FLOATS,
    cpu_ns=st.none() | st.tuples(_INTEGERS, _INTEGERS, _INTEGERS),
    own_cpu_ns=_INTEGERS,
    energy_uj=st.none() | _INTEGERS,
    wall_clock_s=_FLOATS,
)
_ROWS = st.lists(_INTEGERS, max_size=3).map(tuple)
_BURSTS = st.builds(
    Burst,
    contestant=st.just("one"),
    generation=_INTEGERS,
    turn=_INTEGERS,
    started_ns=_INTEGERS,
    elapsed_ns=_INTEGERS,
    samples=st.dictionaries(st.sampled_from(["invoke", "end_to_end"]), _ROWS),
    pictures=_INTEGERS,
    dropped=_INTEGERS,
    switches=_INTEGERS,
)
_CONTESTANT = Contestant(name="one", model="one.tflite")
_RESULTS = st.builds(
    Result,
    created=st.just(""),
    device=st.just("local"),
    plan=st.builds(
        Plan,
        contestants=st.just((_CONTESTANT,)),
        scenario=st.sampled_from(["single-stream", "paced", "offline", "sustained"]),
        generations=st.sampled_from([1, 2, 10**30]),
    ),
    system=st.builds(
        SystemFacts,
        governor=st.text(max_size=3),
        max_frequency_mhz=st.none() | _FLOATS,
        cores=_INTEGERS,
        machine=st.just({}),
    ),
    history=st.lists(_SAMPLES, max_size=4).map(tuple),
    contestants=st.lists(
        st.builds(
            ContestantResult,
            contestant=st.just(_CONTESTANT),
            model=st.just(ModelFacts(file="", name="", id="", size_bytes=0)),
            bursts=st.lists(_BURSTS, max_size=3).map(tuple),
            failed=st.none()
            | st.builds(Failed, contestant=st.just("one"), generation=_INTEGERS, reason=st.text()),
        ),
        max_size=2,
    ).map(tuple),
    complete=st.booleans(),
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(_RESULTS)
def test_whatever_a_result_file_holds_findings_can_be_told(result: Result) -> None:
    decoded = msgspec.json.decode(msgspec.json.encode(result), type=Result)
    for finding in findings_of(decoded):
        assert finding.kind in KINDS[finding.severity]
        assert finding.reason
        assert finding.advice
        assert not re.search(r"\bnan\b", finding.reason)


def _burst(index: int, ns: int, **changes: Any) -> Burst:
    return Burst(
        **{
            "contestant": "one",
            "generation": index,
            "turn": 0,
            "started_ns": index * SECOND,
            "elapsed_ns": SECOND,
            "samples": {"end_to_end": (ns,) * 40},
            "pictures": 40,
            **changes,
        }
    )


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 2**63 - 1), min_size=2, max_size=4))
@example([1, 2**63 - 1])
def test_however_samples_differ_findings_can_be_told(latencies_ns: list[int]) -> None:
    result = Result(
        created="",
        device="local",
        plan=Plan(contestants=(_CONTESTANT,), generations=len(latencies_ns)),
        system=SystemFacts(cores=1, machine={}),
        contestants=(
            ContestantResult(
                contestant=_CONTESTANT,
                model=ModelFacts(file="", name="", id="", size_bytes=0),
                bursts=tuple(_burst(index, ns) for index, ns in enumerate(latencies_ns)),
            ),
        ),
        complete=True,
    )
    kinds = {finding.kind for finding in findings_of(result)}

    assert kinds <= {"noisy", "cannot-tell-throttling", "cannot-tell-load"}
    assert "noisy" in kinds or max(latencies_ns) < 2 * min(latencies_ns)
