import { planOf, type Op } from "./plan.ts";
import { runPlan } from "./world.ts";
import { rules } from "../../runtime/delivery/rules.ts";
const [from, to, nodes, len] = (globalThis as any).process.argv.slice(2).map(Number);
const counts = new Map<string, number>();
const t = performance.now(); let bad = 0;
function shrink(plan: Op[]): Op[] {
  const fails = (p: Op[]) => { try { runPlan(p, { nodes, rules }); return false } catch { return true } };
  for (let size = plan.length >> 1; size >= 1; size >>= 1) {
    for (let i = 0; i + size <= plan.length;) { const p = [...plan.slice(0, i), ...plan.slice(i + size)]; if (fails(p)) plan = p; else i += size; }
  }
  return plan;
}
const seen = new Map<string, number>();
for (let seed = from; seed < to; seed++) {
  const plan = planOf(seed, len);
  try { runPlan(plan, { nodes, rules, counts, ...(seed % 4 === 0 ? { gone: seed % nodes } : {}) }); } catch (e) {
    bad++;
    const k = String((e as Error).message).replace(/\d+/g, "#").slice(0, 60); seen.set(k, (seen.get(k) ?? 0) + 1);
    if (bad === 1) {
      const small = shrink(plan); const lines: string[] = [];
      try { runPlan(small, { nodes, rules, trace: (l) => lines.push(l) }); } catch (e2) { console.log((Number(process.env.HEAD) ? lines.slice(0, Number(process.env.HEAD)) : lines.slice(-90)).join("\n")); console.log(JSON.stringify(small)); console.log((e2 as Error).stack?.split("\n").slice(0, 9).join("\n")); }
      console.log("seed", seed);
    }
  }
}
const s = (performance.now() - t) / 1000;
console.log({ schedules: to - from, bad, seconds: s.toFixed(2), perMinute: Math.round((to - from) / s * 60) });
console.log([...seen].sort((a, b) => b[1] - a[1]).slice(0, 12));
if (process.argv[6]) console.log([...counts].sort());
