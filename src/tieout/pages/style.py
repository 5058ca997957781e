"""
How a page looks: by day and by night, on a wide screen, a narrow one, and on paper.

One style sheet, which names nothing that would have to be loaded.
"""

from __future__ import annotations

STYLE = """
:root {
  --paper: #f4f6f8; --card: #ffffff; --line: #d5dbe3; --ink: #18202b; --quiet: #525d6c;
  --link: #0b57b7; --red: #b3261e; --yellow: #7a5200; --green: #14683a;
  --red-fill: #c5362c; --yellow-fill: #dfa30b; --green-fill: #1e8a4f; --sign: #ffffff;
  --yellow-sign: #2b1f00; --red-card: #fdf0ef; --yellow-card: #fdf6e3;
  --green-card: #ebf6ef; --made: #2563c9; --changed: #1c8c86; --ended: #7b4bb3;
  --same: #a9b4c2; --passed: #d3dae3; --doubt: #d9772b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #11161d; --card: #1a212b; --line: #36404d; --ink: #e8edf4; --quiet: #a8b3c1;
    --link: #8ab8ff; --red: #ff9a91; --yellow: #f4c95d; --green: #7fd8a4;
    --red-fill: #e0574c; --yellow-fill: #e3b341; --green-fill: #2f9e63; --sign: #ffffff;
    --yellow-sign: #2b1f00; --red-card: #33201f; --yellow-card: #2f2818;
    --green-card: #18291f; --made: #6a9df0; --changed: #3fb5ae; --ended: #b08be0;
    --same: #66727f; --passed: #414c59; --doubt: #e2904d;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 1.5rem 1.25rem 3rem; max-width: 68rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", "Noto Sans", "DejaVu Sans", sans-serif; overflow-wrap: anywhere;
}
h1, h2, h3, p, ul, dl, dd { margin: 0; padding: 0; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.15rem; margin-bottom: .75rem; }
h3 { font-size: 1rem; font-weight: 600; }
ul { list-style: none; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
section { margin-top: 2rem; }
.sheet + .sheet { margin-top: 3rem; padding-top: 2rem; border-top: 3px solid var(--line); }
bdi { overflow-wrap: anywhere; }
code { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .85em; }
small { display: block; color: var(--quiet); font-size: .85rem; font-weight: 400; }
.quiet, .count { color: var(--quiet); }
.cards + .quiet { margin-top: .6rem; }
.heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.lamp { width: 1.1em; height: 1.1em; flex: none; vertical-align: -.15em; }
.sign { fill: none; stroke: var(--sign); stroke-width: 2; }
.fill.yellow + .sign { stroke: var(--yellow-sign); }
.verdict { margin-top: .75rem; padding: .8rem 1rem; border: 1px solid; border-radius: .6rem; font-size: 1.1rem; }
.verdict .lamp { margin-right: .5rem; }
.verdict.red { background: var(--red-card); border-color: var(--red-fill); }
.verdict.yellow { background: var(--yellow-card); border-color: var(--yellow-fill); }
.verdict.green { background: var(--green-card); border-color: var(--green-fill); }
.verdict.red strong { color: var(--red); }
.verdict.yellow strong { color: var(--yellow); }
.verdict.green strong { color: var(--green); }
.step { margin-top: .4rem; color: var(--quiet); }
.lights { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .75rem; margin-top: 1rem; }
.lights li { border: 1px solid var(--line); border-radius: .6rem; background: var(--card); }
.lights a { display: grid; grid-template-columns: auto 1fr; gap: 0 .6rem; align-items: center; padding: .7rem 1rem; color: inherit; text-decoration: none; }
.lights .lamp { font-size: 1.3rem; }
.lights b { font-size: 1.6rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.lights span { grid-column: 1 / -1; color: var(--quiet); }
.lights .none .lamp { opacity: .35; }
.lights a[href]:hover { text-decoration: underline; }
.bar { display: block; width: 100%; height: 1.5rem; }
.fill.made, .swatch.made { fill: var(--made); background: var(--made); }
.fill.changed, .swatch.changed { fill: var(--changed); background: var(--changed); }
.fill.ended, .swatch.ended { fill: var(--ended); background: var(--ended); }
.fill.same, .swatch.same { fill: var(--same); background: var(--same); }
.fill.passed, .swatch.passed { fill: var(--passed); background: var(--passed); }
.fill.doubt, .swatch.doubt { fill: var(--doubt); background: var(--doubt); }
.fill.red, .swatch.red { fill: var(--red-fill); background: var(--red-fill); }
.fill.yellow, .swatch.yellow { fill: var(--yellow-fill); background: var(--yellow-fill); }
.fill.green { fill: var(--green-fill); }
.swatch.none { border: 2px dashed var(--quiet); }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: .3rem 1.25rem; margin-top: .75rem; }
.figures li { display: grid; grid-template-columns: auto 1fr; gap: 0 .55rem; align-items: baseline; align-content: start; }
.figures span { grid-column: 2; color: var(--quiet); font-size: .9rem; }
.swatch { width: .8rem; height: .8rem; border-radius: .2rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); gap: .75rem; align-items: start; }
.card, .trouble, .group { border: 1px solid var(--line); border-radius: .6rem; background: var(--card); }
.card { padding: .9rem 1rem; }
.total { color: var(--ink); font-size: 1.4rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 400; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.effects { margin-top: .5rem; }
.effects th, .effects td { padding: .3rem 0; vertical-align: top; }
.effects td { padding-left: 1rem; white-space: nowrap; width: 1%; }
.effects .bar { height: .6rem; margin-top: .15rem; }
.sums { margin-top: .5rem; }
.sums th, .sums td { padding: .3rem 0 .3rem .75rem; vertical-align: top; }
.sums th:first-child { padding-left: 0; }
.sums thead th { color: var(--quiet); font-size: .9rem; }
.sums thead .number { text-align: right; }
.sums .apart td:last-child { color: var(--red); font-weight: 600; }
.fill.more { fill: var(--changed); }
.fill.less { fill: var(--card); stroke: var(--ended); stroke-width: 2; vector-effect: non-scaling-stroke; }
summary { cursor: pointer; }
.trouble, .group { margin-top: .6rem; }
.trouble > summary, .group > summary { display: flex; flex-wrap: wrap; gap: .2rem .6rem; align-items: baseline; padding: .7rem 1rem; }
.trouble > summary::before, .group > summary::before { content: "▸" / ""; color: var(--quiet); width: 1em; flex: none; }
.trouble[open] > summary::before, .group[open] > summary::before { content: "▾" / ""; }
.trouble > summary::-webkit-details-marker, .group > summary::-webkit-details-marker { display: none; }
.trouble > summary .lamp { align-self: flex-start; margin-top: .2rem; }
.trouble h3 { flex: 1 1 12rem; }
.group h3 { flex: 1 1 10rem; }
.trouble.red { border-left: .35rem solid var(--red-fill); }
.trouble.yellow { border-left: .35rem solid var(--yellow-fill); }
.trouble > dl { padding: 0 1rem .7rem; color: var(--quiet); }
.trouble > .quiet, .group > .quiet { padding: .6rem 1rem; }
dl div { display: grid; grid-template-columns: 7.5rem minmax(0, 1fr); gap: 0 .75rem; padding: .08rem 0; }
dt { color: var(--quiet); }
.row { border-top: 1px solid var(--line); padding: .5rem 1rem; }
.row b { margin-right: .4rem; }
.row p { padding-left: 1.05rem; font-size: .92rem; }
.where { display: flex; flex-wrap: wrap; gap: 0 1.5rem; color: var(--quiet); }
.rest > summary { border-top: 1px solid var(--line); padding: .6rem 1rem; color: var(--link); }
.records th, .records td { border-top: 1px solid var(--line); padding: .4rem 1rem; vertical-align: top; }
.records thead th { color: var(--quiet); font-size: .9rem; }
.records thead th:nth-child(2) { text-align: right; }
.records td:last-child a { margin-right: .6rem; }
.records td:last-child { width: 11rem; }
.records .number { width: 17rem; }
#about dl { color: var(--ink); font-size: .95rem; }
@media (max-width: 40rem) {
  body { padding: 1rem .75rem 2rem; }
  h1 { font-size: 1.35rem; }
  .lights { gap: .4rem; }
  .lights a { padding: .5rem .6rem; gap: 0 .4rem; }
  .lights b { font-size: 1.3rem; }
  .lights span { font-size: .8rem; line-height: 1.3; }
  dl div { grid-template-columns: minmax(0, 1fr); padding: .15rem 0; }
  dt { font-size: .85rem; }
  .trouble > summary, .group > summary, .row, .rest > summary, .trouble > dl { padding-left: .7rem; padding-right: .7rem; }
  .trouble > summary, .group > summary { display: grid; grid-template-columns: auto auto minmax(0, 1fr); }
  .group > summary { grid-template-columns: auto minmax(0, 1fr); }
  .count { grid-column: -2; }
  .records th, .records td { padding: .4rem .35rem; }
  .records th:first-child { padding-left: .7rem; }
  .records td:last-child { width: 4.5rem; }
  .records td:last-child a { display: block; }
  .records .number { width: 8.5rem; }
}
@media print {
  :root { --paper: #ffffff; --card: #ffffff; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .trouble, .card, .row, tr { break-inside: avoid; }
  .trouble::details-content, .row::details-content { content-visibility: visible; display: block; }
  .fill, .swatch { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
