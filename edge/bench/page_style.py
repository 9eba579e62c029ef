"""The style sheet of the page: one column, light or dark as the reader likes, black on white on paper (A4).

The colours of the plots are those of Okabe and Ito (Color Universal Design, 2008), which nearly all eyes tell apart.
"""

__all__ = ["STYLE"]

STYLE = """
:root{color-scheme:light;--paper:#fff;--ink:#1b1d1f;--soft:#5b6167;--rule:#d5d9dd;--grid:#e6e9ec;--tint:#f5f6f8;
--a:#0072b2;--b:#d55e00;--other:#8a9199;--faded:#c3c8cd;--good:#00795a;--bad:#b84a00;--part0:#0072b2;--part1:#e69f00;--part2:#009e73;
--part3:#cc79a7;--part4:#56b4e9;--part5:#d55e00;--part6:#f0e442;--part7:#6b7075;--hot:#d55e00;--low:#e69f00}
@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark;--paper:#15181b;--ink:#e4e7ea;--soft:#9ea6ae;
--rule:#3b4147;--grid:#2a2f34;--tint:#1d2125;--a:#56b4e9;--b:#ff8f3f;--other:#7d868f;--faded:#4c545b;--good:#35c39a;--bad:#ff9a57;
--part7:#a2a9b0}}
*{box-sizing:border-box}
html{background:var(--paper);-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:54rem;padding:2.5rem 1.25rem 4rem;color:var(--ink);
font:1rem/1.5 Charter,"Bitstream Charter","Source Serif 4",Georgia,Cambria,"Liberation Serif",serif;
overflow-wrap:anywhere}
h1,h2,h3,table,figcaption,.badge,.facts,.rows,.keys,svg text,nav,.meta{
font-family:"Segoe UI",Roboto,"Helvetica Neue",Arial,"Liberation Sans",system-ui,sans-serif}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .3rem;letter-spacing:-.01em}
h2{font-size:1.2rem;line-height:1.3;margin:2.6rem 0 .6rem;padding-top:.7rem;border-top:1px solid var(--rule);
break-after:avoid}
h3{font-size:1rem;margin:1.8rem 0 .4rem;break-after:avoid}
p{margin:.6rem 0;max-width:44rem;hyphens:auto}
.meta{color:var(--soft);font-size:.85rem;margin:0;max-width:none}
.verdict{font-size:1.15rem;line-height:1.45;margin:1.1rem 0 .8rem}
.badge{display:flex;gap:.4rem;align-items:baseline;padding:.55rem .8rem;border-left:4px solid var(--good);
background:var(--tint);font-size:.9rem;max-width:none;break-inside:avoid;-webkit-print-color-adjust:exact;
print-color-adjust:exact}
.badge b{white-space:nowrap;margin-right:.4rem}
.badge.fair{border-color:var(--low)}
.badge.noisy{border:2px solid var(--bad);font-size:1rem}
.badge.noisy b{color:var(--bad)}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:.22rem 1.2rem;font-size:.85rem;line-height:1.45;
margin:.8rem 0}
.facts dt{color:var(--soft)}
.facts dd{margin:0;font-variant-numeric:tabular-nums}
code,pre{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;font-size:.82em}
pre{background:var(--tint);border:1px solid var(--rule);padding:.7rem .8rem;white-space:pre-wrap;margin:.6rem 0;
line-height:1.45;font-size:.76rem;break-inside:avoid}
pre code{font-size:1em}
pre.long{columns:2 18rem;break-inside:auto}
.rows+.rows{margin-top:.6rem}
.table{overflow-x:auto}
figure.tabled{break-inside:auto}
figure.whole{break-inside:avoid}
.tabled figcaption{margin:0 0 .5rem;break-after:avoid}
table{border-collapse:collapse;width:100%;font-size:.82rem;line-height:1.35;
font-variant-numeric:tabular-nums lining-nums;border-bottom:1.5px solid var(--ink);overflow-wrap:normal}
figcaption{font-size:.82rem;line-height:1.45;text-align:left;color:var(--ink);hyphens:auto}
figcaption b{font-weight:600}
thead th{border-top:1.5px solid var(--ink);border-bottom:1px solid var(--ink);font-weight:600;text-align:right;
vertical-align:bottom;padding:.32rem .5rem}
td,tbody th{padding:.28rem .5rem;text-align:right;vertical-align:top;font-weight:400}
tbody th{min-width:8rem;overflow-wrap:anywhere}
td.long{overflow-wrap:anywhere;width:62%}
thead th:first-child,tbody th,td.text,th.text{text-align:left}
tbody tr+tr>*{border-top:1px solid var(--grid)}
tbody tr.same>*{border-top:0}
th:first-child,td:first-child{padding-left:0}
th:last-child,td:last-child{padding-right:0}
td.num,td .nowrap{white-space:nowrap}
td.good{color:var(--good)}
td.bad{color:var(--bad);font-weight:600}
.soft{color:var(--soft)}
figure{margin:1.2rem 0 1.6rem;break-inside:avoid}
figcaption{margin-top:.45rem}
svg{display:block;overflow:visible}
svg text{font-size:10.5px;fill:var(--soft);font-variant-numeric:tabular-nums}
svg .title{fill:var(--ink)}
svg .mid{text-anchor:middle}
svg .end{text-anchor:end}
svg .grid{stroke:var(--grid);stroke-width:1}
svg .axis{stroke:var(--soft);stroke-width:1}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(12.5rem,1fr));gap:.4rem 1.2rem}
.plot{padding:24px 8px 42px 44px;min-width:0}
.curve{fill:none;stroke-width:1.5;stroke-linejoin:round}
.curve.a,.interval.a,.reach.a{stroke:var(--a)}
.curve.b,.interval.b{stroke:var(--b)}
.bar.a{fill:var(--a);fill-opacity:.55;stroke:var(--a);stroke-width:.6}
.rows .bar.a{fill-opacity:1;stroke:none}
.bar.other{fill:var(--faded)}
.bar.throttled{fill:var(--hot);fill-opacity:.22}
.bar.limited{fill:var(--part3);fill-opacity:.18}
.bar.undervolted{fill:var(--low);fill-opacity:.35}
.dot.a{fill:var(--a)}
.dot.b{fill:var(--b)}
.dot.other{fill:var(--other)}
.dot.faint{fill:var(--other);fill-opacity:.65}
.dot.round{fill:var(--ink);fill-opacity:.35}
.dot.hollow{fill:var(--paper);stroke:var(--a);stroke-width:1.2}
.interval{stroke-width:2.5;stroke-linecap:butt}
.interval.other{stroke:var(--other)}
.interval.ink{stroke:var(--ink);stroke-width:1.5}
.reach{stroke:var(--a);stroke-width:1;stroke-dasharray:1.5 2.5}
.goal{stroke:var(--b);stroke-width:1.5;stroke-dasharray:4 2}
.one{stroke:var(--ink);stroke-width:1}
.rows{font-size:.82rem;font-variant-numeric:tabular-nums;display:grid;align-items:center;column-gap:.9rem;
grid-template-columns:minmax(6rem,max-content) minmax(8rem,1fr) max-content}
.row{display:contents}
.row .name{line-height:1.2;padding:.15rem 0;max-width:14rem}
.row .value{white-space:nowrap;text-align:right}
.stack{border:1px solid var(--rule)}
.part{stroke:var(--paper);stroke-width:1}
.p0{fill:var(--part0);background:var(--part0)}.p1{fill:var(--part1);background:var(--part1)}
.p2{fill:var(--part2);background:var(--part2)}.p3{fill:var(--part3);background:var(--part3)}
.p4{fill:var(--part4);background:var(--part4)}.p5{fill:var(--part5);background:var(--part5)}
.p6{fill:var(--part6);background:var(--part6)}.p7{fill:var(--part7);background:var(--part7)}
.course{display:inline-flex;gap:.5rem;align-items:center}
.keys{display:flex;flex-wrap:wrap;gap:.15rem 1.4rem;font-size:.8rem;margin:.5rem 0 0;font-variant-numeric:tabular-nums}
.key{white-space:nowrap;margin-right:.8em}
.keys .key{margin-right:0;white-space:normal}
.key b{font-weight:600}
.swatch:first-child{margin-left:.1em}
.swatch{display:inline-block;width:.7em;height:.7em;margin-right:.4em}
.swatch.a{background:var(--a)}.swatch.b{background:var(--b)}.swatch.faint{background:var(--other);border-radius:50%}
.swatch.throttled{background:var(--hot);opacity:.4}.swatch.limited{background:var(--part3);opacity:.4}.swatch.undervolted{background:var(--low);opacity:.6}
.swatch,.stack,svg{-webkit-print-color-adjust:exact;print-color-adjust:exact}
ul{padding-left:1.2rem;max-width:44rem}
li{margin:.25rem 0}
footer{margin-top:2.5rem;border-top:1px solid var(--rule);padding-top:.6rem}
@media screen and (max-width:36rem){
body{padding:1.5rem 1rem 3rem}
h1{font-size:1.4rem}
.verdict{font-size:1.05rem}
.facts{grid-template-columns:1fr;gap:0}
.facts dd{margin-bottom:.45rem}
.rows{grid-template-columns:1fr max-content;grid-auto-flow:row dense;column-gap:.5rem}
.row .name{max-width:none;padding:.5rem 0 0}
.row .value{padding:.5rem 0 0}
.row .draw{grid-column:1/-1;padding:0 .5rem}
.row .value{grid-column:2}
.row .name{grid-column:1}
.row.foot>div:not(.draw){display:none}
.badge{display:block}
}
@page{size:A4;margin:16mm 17mm 18mm;@bottom-right{content:counter(page);font:8pt Arial,"Liberation Sans",sans-serif}}
@media print{
html{font-size:10pt}
body{max-width:none;padding:0}
p,ul{max-width:none}
h2{margin-top:1.8rem}
h2+p{break-after:avoid}
.table{overflow:visible}
.plot>svg{height:112px}
thead{display:table-header-group}
tr{break-inside:avoid}
p{orphans:3;widows:3}
}
"""
