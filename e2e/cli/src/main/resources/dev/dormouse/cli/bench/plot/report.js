'use strict';
// Draws the results in the element "data"; needs nothing but this file. An error anywhere is written on the page, not into a console.
addEventListener('error', e => { document.body.dataset.error = e.message; });
const data = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const STEPS = [
  ['request_to_decision', 'request → decision', 'deciding'], ['decision_to_pod', 'decision → pod', 'deciding'],
  ['pod_to_node', 'pod → node', 'deciding'], ['node_to_sidecar', 'node → sidecar runs', 'starting'],
  ['outside_phases', 'engine starts', 'starting'], ['weight_load', 'weights', 'bytes'], ['pool_alloc', 'memory pools', 'bytes'],
  ['kernel_compile', 'kernels, session', 'ready'], ['custom_init', 'own initialisation', 'ready'],
  ['warmup_inference', 'warmup inference', 'ready'], ['ready_to_answer', 'ready → answer', 'answering']];
const GROUPS = {deciding: 'deciding where', starting: 'starting processes', bytes: 'moving bytes', ready: 'making the model ready', answering: 'answering'};
const KINDS = [['cold', 'Cold start', 'no snapshot: weights from their source'], ['restore', 'Restore', 'asleep, with a snapshot'], ['load', 'Restore, many clients', 'until the last has its answer'], ['bare', 'Restore, unwatched', 'nothing measures but the client']];
const RATIOS = [
  ['restore.to_cold', 'restore ÷ cold start', 'Lower'], ['restore.of_plain_read', 'restore rate ÷ plain read of the same packs', 'Higher'],
  ['restore.of_memory_copy', 'restore rate ÷ memory copy', 'Higher'], ['cold.of_plain_read', 'cold weight rate ÷ plain read of the source', 'Higher'],
  ['load.to_restore', 'many clients ÷ one', 'Lower'], ['gateway.through_to_direct', 'through the gateway ÷ past it', 'Lower'],
  ['scheduler.to_status_apply', 'demand to pod ÷ one status apply', 'Lower'], ['restore.to_bare', 'watched ÷ unwatched', 'Lower']];
let chosen = data.results[0];

const of = key => chosen.measurements[key];
function millis(v) { return v >= 10000 ? (v / 1000).toFixed(1) + ' s' : v >= 1000 ? (v / 1000).toFixed(2) + ' s' : v >= 100 ? v.toFixed(0) + ' ms' : v >= 10 ? v.toFixed(1) + ' ms' : v.toFixed(2) + ' ms'; }
function figure(v, unit) { return unit === 'ms' ? millis(v) : unit === 'bytes' ? (v / 1e6).toFixed(1) + ' MB' : unit === 'ratio' ? v.toFixed(2) : v.toPrecision(3) + ' ' + unit; }
function el(name, attributes, text) {
  const svg = ['svg', 'g', 'rect', 'line', 'path', 'circle', 'text'].includes(name);
  const node = svg ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}
function add(parent, ...made) { const node = el(...made); parent.append(node); return node; }
function tip(text) { return {'data-tip': text, tabindex: 0, 'aria-label': text.replaceAll('\n', ', ')}; }
function canvas(id, height) {
  const host = $(id); host.replaceChildren();
  const width = Math.max(260, host.clientWidth || 1000);
  return [add(host, 'svg', {width, height, role: 'img'}), width];
}
function ticks(max, most) {
  const raw = max / most, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].find(s => s * power >= raw) * power;
  return Array.from({length: Math.floor(max / step + 1e-9) + 1}, (_, i) => i * step);
}
function axis(svg, scale, max, most, top, bottom, unit) {
  for (const tick of ticks(max, most)) {
    add(svg, 'line', {class: 'grid', x1: scale(tick), x2: scale(tick), y1: top, y2: bottom});
    add(svg, 'text', {class: 'quiet', x: scale(tick), y: bottom + 17, 'text-anchor': 'middle'}, tick === 0 ? '0' : unit === 'ms' ? (max >= 2000 ? +(tick / 1000).toFixed(2) + ' s' : +tick.toFixed(2) + ' ms') : figure(tick, unit));
  }
}

/** Mean of a step over the starts whose totals lie in the middle half: the same starts for every step, so that steps add up. */
function middle(kind, key) {
  const totals = of(kind + '.total').samples, samples = of(`${kind}.${key}`).samples, n = totals.length;
  if (samples.length !== n) return of(`${kind}.${key}`).summary.mean;
  const cut = Math.min(Math.floor((n + 2) / 4), Math.floor((n - 1) / 2)), kept = totals.map((_, i) => i).sort((a, b) => totals[a] - totals[b]).slice(cut, n - cut);
  return kept.reduce((sum, i) => sum + samples[i], 0) / kept.length;
}

function hero() {
  const cold = of('cold.total'), restore = of('restore.total'), warm = of('gateway.through'), host = $('hero');
  host.replaceChildren();
  const card = (name, color, measured, more) => {
    if (!measured) return;
    const node = add(host, 'div', {class: 'card', style: `--accent: var(--${color})`});
    add(node, 'div', {class: 'name'}, name);
    const [number, unit] = millis(measured.summary.median).split(' ');
    add(add(node, 'div', {class: 'value'}, number), 'small', {}, unit);
    add(node, 'div', {class: 'more'}, `p95 ${millis(measured.summary.p95)} · ${measured.summary.n} samples` + more);
  };
  const faster = (a, b) => a && b ? ` · ${(a.summary.median / b.summary.median).toFixed(1)}× faster than cold` : '';
  card('Cold start, request to answer', 'cold', cold, '');
  card('Restore, request to answer', 'restore', restore, faster(cold, restore));
  card('Warm request', 'warm', warm, '');
}

function waterfall() {
  const kinds = KINDS.filter(([kind]) => of(kind + '.total') && STEPS.some(([key]) => of(`${kind}.${key}`)));
  const rows = kinds.map(([kind]) => STEPS.filter(([key]) => of(`${kind}.${key}`)));
  const height = rows.reduce((sum, r) => sum + 40 + r.length * 25, 0) + 30;
  const [svg, width] = canvas('waterfall', height);
  const left = width < 620 ? 132 : 178, right = 78, max = Math.max(...kinds.map(([kind], i) => rows[i].reduce((sum, [key]) => sum + middle(kind, key), 0)));
  const scale = value => left + value / max * (width - left - right);
  axis(svg, scale, max, width < 620 ? 4 : 8, 6, height - 26, 'ms');
  let y = 4;
  kinds.forEach(([kind, name, why], i) => {
    const total = rows[i].reduce((sum, [key]) => sum + middle(kind, key), 0);
    const head = add(svg, 'g', {});
    add(head, 'rect', {x: 0, y: y + 5, width: 11, height: 11, rx: 3, fill: `var(--${kind})`});
    add(head, 'text', {class: 'kind', x: 19, y: y + 16}, name);
    if (width > 620) add(head, 'text', {class: 'quiet', x: 19 + name.length * 8.4 + 12, y: y + 16}, why);
    add(head, 'text', {class: 'kind', x: width, y: y + 16, 'text-anchor': 'end'}, millis(total));
    y += 28;
    let at = 0;
    for (const [key, label, group] of rows[i]) {
      const measured = of(`${kind}.${key}`).summary, mean = middle(kind, key), x = scale(at), w = Math.max(2, scale(at + mean) - x);
      add(svg, 'text', {class: 'quiet', x: left - 12, y: y + 14, 'text-anchor': 'end'}, label);
      add(svg, 'rect', {x, y: y + 1, width: w, height: 19, rx: 4, fill: `var(--${group})`, 'data-key': `${kind}.${key}`,
        ...tip(`${name}: ${label}\nmean ${millis(mean)}, ${(mean / total * 100).toFixed(1)} % of the start\nmedian ${millis(measured.median)}, p95 ${millis(measured.p95)}, n ${measured.n}\nbegins after ${millis(at)}`)});
      add(svg, 'text', {class: 'quiet', x: x + w + 7, y: y + 14}, millis(mean));
      at += mean; y += 25;
    }
    y += 12;
  });
  $('legend').replaceChildren(...Object.entries(GROUPS).map(([group, name]) => el('span', {style: `--swatch: var(--${group})`}, name)));
}

/** Gaussian kernel, Silverman's bandwidth: a picture of the spread, not a claim about it. */
function density(samples, min, max, points) {
  const n = samples.length, mean = samples.reduce((a, b) => a + b, 0) / n;
  const deviation = Math.sqrt(samples.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, n - 1));
  const sorted = [...samples].sort((a, b) => a - b), quartiles = sorted[Math.floor(n * .75)] - sorted[Math.floor(n * .25)];
  const h = Math.max(.9 * Math.min(deviation, quartiles / 1.34 || deviation) * n ** -0.2, (max - min) / 150);
  return Array.from({length: points}, (_, i) => {
    const at = min + (max - min) * i / (points - 1);
    return [at, samples.reduce((sum, s) => sum + Math.exp(-0.5 * ((at - s) / h) ** 2), 0) / (n * h)];
  });
}

function distribution() {
  const kinds = KINDS.filter(([kind]) => of(kind + '.total'));
  const row = 104, height = kinds.length * row + 30, [svg, width] = canvas('distribution', height);
  const left = width < 620 ? 112 : 178, all = kinds.flatMap(([kind]) => of(kind + '.total').samples), max = Math.max(...all) * 1.06;
  const scale = value => left + value / max * (width - left - 14);
  axis(svg, scale, max, width < 620 ? 4 : 8, 4, height - 26, 'ms');
  kinds.forEach(([kind, name], i) => {
    const measured = of(kind + '.total'), s = measured.summary, base = i * row + 66, spread = (s.max - s.min) || s.max * .01;
    const from = Math.max(0, s.min - spread * .25), shape = density(measured.samples, from, Math.min(max, s.max + spread * .25), 90);
    const peak = Math.max(...shape.map(([, d]) => d));
    if (s.n >= 4) add(svg, 'path', {d: `M${scale(shape[0][0])},${base} ` + shape.map(([v, d]) => `L${scale(v).toFixed(1)},${(base - d / peak * 50).toFixed(1)}`).join(' ') + ` L${scale(shape.at(-1)[0])},${base} Z`,
      fill: `var(--${kind})`, 'fill-opacity': .22, stroke: `var(--${kind})`, 'stroke-opacity': .7, 'data-shape': kind});
    add(svg, 'line', {x1: scale(s.median), x2: scale(s.median), y1: base - 54, y2: base + 24, stroke: `var(--${kind})`, 'stroke-width': 2});
    measured.samples.forEach((sample, n) => add(svg, 'circle', {cx: scale(sample), cy: base + 8 + (n * 7) % 15, r: 4, fill: `var(--${kind})`, 'fill-opacity': .8, 'data-sample': kind, ...tip(`${name}, start ${n + 1}\n${millis(sample)}`)}));
    add(svg, 'text', {class: 'kind', x: 0, y: base - 18}, width < 620 ? name.replace('Restore, ', '') : name);
    add(svg, 'text', {class: 'quiet', x: 0, y: base + 1}, `median ${millis(s.median)}`);
    add(svg, 'text', {class: 'quiet', x: 0, y: base + 18}, `${millis(s.min)} – ${millis(s.max)}`);
  });
}

function overview() {
  $('overview-panel').hidden = data.results.length < 2;
  if (data.results.length < 2) return;
  const bars = [['cold.total', 'cold', 'cold start'], ['restore.total', 'restore', 'restore'], ['gateway.through', 'warm', 'warm request']];
  const row = 84, height = data.results.length * row + 24, [svg, width] = canvas('overview', height), left = width < 620 ? 132 : 210;
  const max = Math.max(...data.results.flatMap(r => bars.map(([key]) => r.measurements[key]?.summary.median || 0)));
  const scale = value => left + value / max * (width - left - 78);
  axis(svg, scale, max, 6, 0, height - 22, 'ms');
  data.results.forEach((result, i) => {
    add(svg, 'text', {class: 'kind', x: 0, y: i * row + 34}, result.ref);
    const bytes = result.measurements['restore.bytes'];
    if (bytes) add(svg, 'text', {class: 'quiet', x: 0, y: i * row + 52}, figure(bytes.summary.median, 'bytes') + ' of weights');
    bars.forEach(([key, color, name], j) => {
      const measured = result.measurements[key]; if (!measured) return;
      const y = i * row + 8 + j * 22, w = Math.max(2, scale(measured.summary.median) - left);
      add(svg, 'rect', {x: left, y, width: w, height: 18, rx: 4, fill: `var(--${color})`, 'data-key': key, ...tip(`${result.ref}: ${name}\nmedian ${millis(measured.summary.median)}, p95 ${millis(measured.summary.p95)}\nn ${measured.summary.n}`)});
      add(svg, 'text', {class: 'quiet', x: left + w + 7, y: y + 13}, millis(measured.summary.median));
    });
  });
}

function ratios() {
  const shown = RATIOS.filter(([key]) => of(key)), row = 46, height = shown.length * row + 22, [svg, width] = canvas('ratios', height);
  if (!shown.length) { add(svg, 'text', {class: 'quiet', x: 0, y: 14}, 'no ratios in this result'); return; }
  const left = width < 620 ? 0 : 330, span = width - left - 70, place = v => left + span * (Math.log10(Math.min(10, Math.max(.01, v))) + 2) / 3;
  for (const tick of [.01, .1, 1, 10]) add(svg, 'text', {class: 'quiet', x: place(tick), y: height - 4, 'text-anchor': 'middle'}, tick);
  shown.forEach(([key, name, better], i) => {
    const s = of(key).summary, y = i * row + 18;
    add(svg, 'text', {x: 0, y: y + (left ? 5 : -4)}, name);
    add(svg, 'rect', {x: left, y: y - 4 + (left ? 0 : 12), width: span, height: 8, rx: 4, fill: 'var(--grid)'});
    const a = place(s.min), b = place(s.max), yy = y + (left ? 0 : 12);
    add(svg, 'rect', {x: a, y: yy - 4, width: Math.max(3, b - a), height: 8, rx: 4, fill: 'var(--moon)', 'fill-opacity': .35});
    add(svg, 'line', {x1: place(1), x2: place(1), y1: yy - 11, y2: yy + 11, stroke: 'var(--quiet)', 'stroke-dasharray': '3 2'});
    add(svg, 'circle', {cx: place(s.median), cy: yy, r: 7, fill: 'var(--moon)', stroke: 'var(--panel)', 'stroke-width': 2, 'data-key': key,
      ...tip(`${name}\nmedian ${s.median.toFixed(3)}, ${s.min.toFixed(3)} to ${s.max.toFixed(3)}, n ${s.n}\n${better === 'Lower' ? 'smaller' : 'larger'} is better`)});
    add(svg, 'text', {class: 'kind', x: width, y: yy + 5, 'text-anchor': 'end'}, s.median.toFixed(2));
  });
}

function trend() {
  const keys = [...new Set(data.trend.flatMap(r => Object.keys(r.measurements)))].sort(), select = $('trend-key');
  if (!select.options.length) {
    for (const key of keys) add(select, 'option', {}, key);
    select.value = keys.includes('restore.total') ? 'restore.total' : keys[0];
    select.addEventListener('change', trend);
  }
  const runs = data.trend.filter(r => r.measurements[select.value]);
  const height = 270, [svg, width] = canvas('trend', height), left = 62, bottom = height - 34;
  if (runs.length < 2) { add(svg, 'text', {class: 'quiet', x: 0, y: 16}, 'One run has no trend yet: measure again.'); svg.setAttribute('height', 26); return; }
  const points = runs.map(r => { const m = r.measurements[select.value], sorted = [...m.samples].sort((a, b) => a - b), q = p => sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))];
    return {r, unit: m.unit, n: sorted.length, median: m.summary.median, low: q(.1), high: q(.9)}; });
  const max = Math.max(...points.map(p => p.high)) * 1.08, unit = points[0].unit;
  const x = i => left + 12 + i * (width - left - 36) / (points.length - 1), y = v => bottom - v / max * (bottom - 12);
  for (const tick of ticks(max, 5)) {
    add(svg, 'line', {class: 'grid', x1: left, x2: width, y1: y(tick), y2: y(tick)});
    add(svg, 'text', {class: 'quiet', x: left - 10, y: y(tick) + 4, 'text-anchor': 'end'}, tick === 0 ? '0' : figure(tick, unit));
  }
  const line = f => points.map((p, i) => `${x(i).toFixed(1)},${y(f(p)).toFixed(1)}`);
  add(svg, 'path', {d: 'M' + line(p => p.high).join(' L') + ' L' + line(p => p.low).reverse().join(' L') + ' Z', fill: 'var(--restore)', 'fill-opacity': .14, 'data-band': ''});
  add(svg, 'path', {d: 'M' + line(p => p.median).join(' L'), fill: 'none', stroke: 'var(--restore)', 'stroke-width': 2.5, 'stroke-linejoin': 'round'});
  const every = Math.ceil(points.length / Math.max(2, Math.floor(width / 130)));
  const sameRef = new Set(points.map(p => p.r.ref)).size === 1;
  points.forEach((p, i) => {
    add(svg, 'circle', {cx: x(i), cy: y(p.median), r: 5.5, fill: 'var(--restore)', stroke: 'var(--panel)', 'stroke-width': 2, 'data-run': p.r.runId,
      ...tip(`${p.r.ref}\n${p.r.timestamp.slice(0, 16).replace('T', ' ')}\nmedian ${figure(p.median, p.unit)}, middle 80 % ${figure(p.low, p.unit)} – ${figure(p.high, p.unit)}\nn ${p.n}`)});
    if (i % every === 0) add(svg, 'text', {class: 'quiet', x: x(i), y: bottom + 20, 'text-anchor': i === 0 ? 'start' : i === points.length - 1 ? 'end' : 'middle'}, sameRef ? p.r.timestamp.slice(5, 16).replace('T', ' ') : p.r.ref.length > 18 ? p.r.ref.slice(0, 17) + '…' : p.r.ref);
  });
}

function tables() {
  const columns = ['n', 'min', 'median', 'mean', 'p90', 'p95', 'p99', 'max', 'stddev'], table = $('figures');
  table.replaceChildren();
  const head = add(add(table, 'thead'), 'tr'); ['key', 'unit', ...columns].forEach(c => add(head, 'th', {}, c));
  const body = add(table, 'tbody');
  for (const [key, m] of Object.entries(chosen.measurements)) {
    const row = add(body, 'tr'); add(row, 'td', {}, key); add(row, 'td', {}, m.unit);
    for (const c of columns) add(row, 'td', {}, c === 'n' ? m.summary.n : m.unit === 'bytes' ? Math.round(m.summary[c]) : m.summary[c].toFixed(m.unit === 'ms' ? 1 : 3));
  }
  for (const [key, n] of Object.entries(chosen.counts)) { const row = add(body, 'tr'); add(row, 'td', {}, key); add(row, 'td', {}, 'count'); add(row, 'td', {}, n); }
  const facts = $('environment'); facts.replaceChildren();
  for (const [key, value] of Object.entries(chosen.environment)) { add(facts, 'dt', {}, key); add(facts, 'dd', {}, value); }
  for (const [key, value] of Object.entries(chosen.lazy)) { add(facts, 'dt', {}, key); add(facts, 'dd', {}, value ? 'not loaded' : 'loaded'); }
  $('notes').replaceChildren(...chosen.notes.map(note => el('li', {}, note)));
}

function draw() {
  const e = chosen.environment;
  $('title').textContent = chosen.ref;
  $('subtitle').textContent = [chosen.timestamp.slice(0, 16).replace('T', ' ') + ' UTC', e.revision && e.revision !== chosen.ref && 'revision ' + e.revision, e.cores && e.cores + ' cores', e['memory.gib'] && e['memory.gib'] + ' GiB', e.gpu && 'GPU ' + e.gpu, e.kubernetes].filter(Boolean).join('  ·  ');
  $('footer').replaceChildren('Measured with ', el('code', {}, chosen.command), ', run ' + chosen.runId + '.');
  document.title = 'Dormouse bench: ' + chosen.ref;
  for (const part of [hero, waterfall, distribution, overview, ratios, trend, tables]) part();
}

if (data.results.length > 1) {
  const select = add($('chooser'), 'select', {'aria-label': 'Result'});
  data.results.forEach((result, i) => add(select, 'option', {value: i}, result.ref));
  select.addEventListener('change', () => { chosen = data.results[+select.value]; draw(); });
}
const root = document.documentElement;
root.dataset.theme = location.hash === '#dark' || location.hash === '#light' ? location.hash.slice(1) : matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
$('theme').addEventListener('click', () => { root.dataset.theme = root.dataset.theme === 'dark' ? 'light' : 'dark'; });
function show(e) {
  const from = e.target.closest?.('[data-tip]'), box = $('tip');
  box.hidden = !from; if (!from) return;
  box.textContent = from.dataset.tip;
  const r = from.getBoundingClientRect(), x = e.clientX ?? r.left + r.width / 2, y = e.clientY ?? r.top;
  box.style.left = Math.max(8, Math.min(x + 14, innerWidth - box.offsetWidth - 8)) + scrollX + 'px';
  box.style.top = (y + box.offsetHeight + 24 > innerHeight ? y - box.offsetHeight - 12 : y + 16) + scrollY + 'px';
}
for (const event of ['mouseover', 'mousemove', 'focusin']) document.addEventListener(event, show);
for (const event of ['mouseout', 'focusout']) document.addEventListener(event, () => { $('tip').hidden = true; });
let width = innerWidth;
addEventListener('resize', () => { if (innerWidth !== width) { width = innerWidth; draw(); } });
draw();
document.body.dataset.drawn = '';
