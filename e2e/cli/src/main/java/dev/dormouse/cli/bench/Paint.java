package dev.dormouse.cli.bench;

import dev.dormouse.cli.bench.Change.Verdict;

/** Terminal colours: green better, red worse, yellow the same (R22). */
public enum Paint {
    Plain, Ansi;

    String of(Verdict verdict, String text) {
        return this == Plain ? text : "\u001b[" + switch (verdict) {
            case Better -> 32;
            case Worse -> 31;
            case Same, Unclear, OnlyBaseline, OnlyCandidate -> 33;
        } + "m" + text + "\u001b[0m";
    }
}
