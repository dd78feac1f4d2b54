import { planOf } from "./plan.ts"; import { runPlan } from "./world.ts"; import { rules } from "../../runtime/delivery/rules.ts"; import { mutants, brokenRules } from "./mutants.ts";
for (const limits of [{ answersMax: 2 }, { answersMax: 3 }, { answersMax: 4 }, { answersMax: 6 }, { outboxMessagesMax: 2, suspendProbesMax: 1 }]) {
  for (const [name, r] of [["correct", rules], ["kept", brokenRules(mutants.find(m => m.name.includes("kept for ever"))!)], ["nobound", brokenRules(mutants.find(m => m.name.includes("kept answers have"))!)]] as const) {
    let bad = 0; const laws = new Map<string, number>();
    for (let i = 0; i < 6000; i++) { const seed = 7000003 + i; try { runPlan(planOf(seed, 150), { nodes: 2 + seed % 2, rules: r, limits, ...(seed % 4 === 0 ? { gone: seed % 2 } : {}) }); } catch (e) { bad++; const l = (e as any).law ?? String(e); laws.set(l, (laws.get(l) ?? 0) + 1); } }
    console.log(JSON.stringify(limits), name, bad, [...laws]);
  }
}
