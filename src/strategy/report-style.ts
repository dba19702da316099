/** Style of the report: the page's colours, light and dark, and plain on paper. */
export const REPORT_STYLE = `
:root{color-scheme:light dark;--bg:#eff1f2;--surface:#fff;--line:#e0e4e6;--ink:#12181c;--ink-2:#434e56;--ink-3:#606c74;--mining:#3c5b86;--mining-new:#7d95b6;--ai:#43918a;--work:#e69f00;--off:#c2cacf;--low:#56b4e9;--high:#d55e00;--warn:#e69f00;--warn-wash:#fdf4de}
@media (prefers-color-scheme:dark){:root{--bg:#0c1013;--surface:#13181c;--line:#2a333a;--ink:#e9eef1;--ink-2:#b3bdc4;--ink-3:#909ca4;--mining:#5f83b8;--mining-new:#8fa9cf;--ai:#4fa59c;--off:#3d4850;--warn-wash:#292009}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:14px/1.5 Inter,ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','Noto Sans',sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1000px;margin:0 auto;padding:32px 20px 60px}
h1,h2,h3,p{margin:0}
header,section,main>details{margin-bottom:16px;padding:22px 24px;border:1px solid var(--line);border-radius:10px;background:var(--surface)}
.over{color:var(--ink-3)}
h1{margin-bottom:14px;font-size:15px;font-weight:600}
.answer{margin-bottom:12px;font-size:24px;font-weight:600;line-height:1.3;letter-spacing:-.01em;text-wrap:balance}
header p+p{margin-top:6px}
h2{margin-bottom:12px;font-size:16px}
h3{margin:20px 0 8px;font-size:14px}
section>h3:first-of-type{margin-top:4px}
section p{margin-bottom:10px;max-width:80ch}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(210px,1fr));gap:12px 20px;margin:20px 0 0;padding-top:16px;border-top:1px solid var(--line)}
.facts dt{color:var(--ink-3);font-size:12px}
.facts dd{margin:0}
.loud,.quiet{margin:0 0 16px;padding:0;list-style:none}
.loud li{margin-bottom:8px;padding:10px 14px;border-left:3px solid var(--warn);border-radius:6px;background:var(--warn-wash)}
.quiet{color:var(--ink-3);font-size:12px}
.quiet li{margin-bottom:4px}
.scroll{overflow-x:auto}
table{width:100%;border-collapse:collapse}
th{padding:0 14px 6px 0;color:var(--ink-3);font-size:12px;font-weight:500;text-align:left;vertical-align:bottom}
td{padding:7px 14px 7px 0;border-top:1px solid var(--line);vertical-align:top}
.options td:nth-child(n+2),.options th:nth-child(n+2),.numbers td,.numbers th{text-align:right;white-space:nowrap}
.options td:first-child{min-width:170px}
.ranking td:nth-child(-n+6){white-space:nowrap}
.ranking td:last-child{min-width:240px;padding-right:0}
.small{display:block;color:var(--ink-3);font-size:12px;line-height:1.4}
p.small{margin-bottom:8px}
.mono{font-family:ui-monospace,'SF Mono','Cascadia Mono','DejaVu Sans Mono',monospace;font-size:11px}
details{margin-top:8px}
summary{cursor:pointer;color:var(--ink-2)}
main>details>summary{font-weight:600;color:var(--ink)}
svg{display:block;width:100%;height:auto}
.curves{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:12px 18px}
text{fill:var(--ink-2);font-size:11px}
.row{fill:var(--ink);font-size:12px}.axis{fill:var(--ink-3)}.mark{fill:var(--ink);font-weight:600}.inside{fill:#fff;font-size:12px}
line.grid{stroke:var(--line)}line.zero{stroke:var(--ink-3)}line.base{stroke:var(--ink);stroke-dasharray:1 3}
.line{fill:none;stroke-width:2}.line.ai{stroke:var(--ai)}.line.mining{stroke:var(--mining)}.line.ink{stroke:var(--ink)}.dashed{stroke-dasharray:6 4}
.dot{fill:var(--surface);stroke:var(--ink);stroke-width:2}.point{fill:var(--ink)}
.fill-low{fill:var(--low);background:var(--low)}.fill-high{fill:var(--high);background:var(--high)}
.fill-in{fill:var(--ai)}.fill-out{fill:var(--high)}
.fill-mining{fill:var(--mining);background:var(--mining)}.fill-mining-new{fill:var(--mining-new);background:var(--mining-new)}.fill-ai{fill:var(--ai);background:var(--ai)}.fill-work{fill:var(--work);background:var(--work)}.fill-off{fill:var(--off);background:var(--off)}.filling{opacity:.5}
.legend{display:flex;flex-wrap:wrap;gap:4px 8px;align-items:center;margin:8px 0 12px;color:var(--ink-2);font-size:12px}
.key{width:11px;height:11px;margin-left:8px;border-radius:2px}.stroke{width:22px;margin-left:8px;border-top:2px solid}.stroke.ai{border-color:var(--ai)}.stroke.mining{border-color:var(--mining);border-top-style:dashed}.stroke.base{border-color:var(--ink);border-top-style:dotted}
@media (max-width:600px){main{padding:12px 10px 40px}header,section,main>details{padding:16px 14px}.answer{font-size:19px}.ranking thead{display:none}.ranking tr{display:grid;grid-template-columns:20px 1fr auto;gap:0 8px;padding:8px 0;border-top:1px solid var(--line)}.ranking td{padding:0;border:0}.ranking td:nth-child(3){grid-column:2}.ranking td:nth-child(4){grid-area:1/3}.ranking td:nth-child(5){display:none}.ranking td:nth-child(6){grid-area:2/3}.ranking td:last-child{grid-column:2/4;min-width:0}}
@media print{:root{--bg:#fff;--surface:#fff;--line:#d5dadd;--ink:#000;--ink-2:#333;--ink-3:#555;--warn-wash:#fff;color-scheme:light}body{font-size:11px}main{max-width:none;padding:0}header,section,main>details{padding:0 0 12px;border:0;break-inside:auto}tr,svg,.curves{break-inside:avoid}h2,h3{break-after:avoid}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`;
