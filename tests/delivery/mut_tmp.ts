import { planOf, kinds, type Kind } from "./plan.ts";
import { runPlan } from "./world.ts";
import { Violation } from "./laws.ts";
import { mutants, brokenRules } from "./mutants.ts";
const len = Number((globalThis as any).process.argv[2] ?? 120), max = Number((globalThis as any).process.argv[3] ?? 3000);
const without = ((globalThis as any).process.argv[4] ?? "").split(",").filter(Boolean) as Kind[];
const only = (globalThis as any).process.argv[5];
for (const m of mutants) { if (only && !new RegExp(only).test(m.name)) continue;
  const r = brokenRules(m); const t = performance.now();
  const laws = new Map<string, number>(); const firsts: number[] = []; let wrong = "";
  for (let s = 1; s <= 5; s++) {
    let hit = -1;
    for (let i = 0; i < max; i++) {
      const seed = s * 1000003 + i;
      try { runPlan(planOf(seed, len, without), { nodes: 2 + (seed % 2), rules: r, ...(m.limits ? { limits: m.limits } : {}), ...(seed % 4 === 0 ? { gone: seed % 2 } : {}) }); } catch (e) {
        if (!(e instanceof Violation)) { console.log(m.name, (e as Error).stack); hit = i; break; }
        laws.set(e.law, (laws.get(e.law) ?? 0) + 1); if (!m.laws.includes(e.law)) { wrong = e.message; }
        else { hit = i; break; }
      }
    }
    firsts.push(hit);
  }
  console.log((firsts.includes(-1) ? "SURVIVES " : "caught   ") + m.name.padEnd(70), JSON.stringify([...laws]), firsts.join(" "), ((performance.now() - t) / 1000).toFixed(1) + "s", wrong);
}
