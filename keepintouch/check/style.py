"""How a page looks: one sheet, no font or picture from elsewhere. Contrasts are at least those of WCAG 2.2 AA."""

CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, "Segoe UI", Roboto, Arial, sans-serif; color: #0b0c0c; background: #fff; }
a { color: #1a5490; }
a:focus, [tabindex]:focus { outline: 3px solid #0b0c0c; outline-offset: 2px; background: #ffdd00; }
.skip { position: absolute; left: -999em; } .skip:focus { position: static; display: block; padding: .5em 1em; }
header, main, footer, nav { max-width: 62em; margin: 0 auto; padding: 0 1.2em; }
header { border-top: 10px solid #12436d; padding-top: 1.2em; }
h1 { font-size: 2em; line-height: 1.15; margin: 0 0 .3em; } h2 { font-size: 1.45em; margin: 2.2em 0 .4em; }
h3 { font-size: 1.1em; margin: 1.8em 0 .3em; }
p, ul, dl { max-width: 46em; margin: .4em 0 .8em; }
.meta { color: #484949; }
nav ul { list-style: none; padding: .6em 0; margin: 1em 0 0; display: flex; flex-wrap: wrap; gap: .2em 1.2em; max-width: none;
  border-top: 1px solid #b1b4b6; border-bottom: 1px solid #b1b4b6; }
.cards { display: flex; flex-wrap: wrap; gap: 1em; padding: 0; margin: 1.2em 0; list-style: none; max-width: none; }
.cards li { flex: 1 1 15em; border: 1px solid #b1b4b6; border-left: 8px solid var(--c); padding: .8em 1em; }
.cards .big { display: block; font-size: 2.8em; font-weight: 700; line-height: 1.1; }
.cards .what { display: block; font-weight: 700; } .cards .small { display: block; color: #484949; font-size: .9em; }
.share { width: 100%; max-width: 15em; height: .9em; display: block; margin: .3em 0; }
.chart { width: 100%; height: auto; max-width: 56em; font: 14px system-ui, Arial, sans-serif; }
figure { margin: 1em 0; }
figcaption { font-weight: 700; margin-bottom: .4em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .6em 0 1.2em; font-size: .9em; }
caption { text-align: left; font-weight: 700; padding: .3em 0; }
th, td { text-align: left; vertical-align: top; padding: .35em .8em .35em 0; border-bottom: 1px solid #b1b4b6; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.call { border-left: 8px solid #b58105; background: #f8f3e6; padding: .6em 1em; margin: 1em 0; max-width: none; }
.sev { font-weight: 700; } .day { white-space: nowrap; }
.box { display: inline-block; width: 1.1em; height: 1.1em; border: 1.5px solid #0b0c0c; }
footer { margin: 3em auto 2em; border-top: 1px solid #b1b4b6; padding-top: .8em; color: #484949; }
@page { size: A4; margin: 16mm 14mm; }
@media print {
  body { font-size: 10pt; } nav, .skip { display: none; } a { color: inherit; text-decoration: none; }
  header, main, footer { max-width: none; padding: 0; } h2, h3, caption, figcaption { break-after: avoid; }
  figure, .cards, .call { break-inside: avoid; } tr { break-inside: avoid; } thead { display: table-header-group; }
  .wide { overflow: visible; } table { font-size: 8.5pt; } .chart { max-width: 170mm; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
