// What JSON takes and gives back unchanged, checked before it is written: a value that comes back as another is found
// out late.

const depthMax = 64;

/**
 * What is wrong with a value, with the path of it, or nothing where JSON gives back what it was given. Members that are
 * undefined are left out.
 */
export function jsonFault(value: unknown, path: string = "value", depth: number = 0): string | undefined {
  if (value === null || typeof value === "string" || typeof value === "boolean") return undefined;
  if (typeof value === "number") {
    return Number.isFinite(value) ? undefined : `${path} is ${value}, which JSON cannot say`;
  }
  if (typeof value !== "object") return `${path} is ${typeof value === "undefined" ? "nothing" : `a ${typeof value}`}`;
  if (depth >= depthMax) return `${path} lies more than ${depthMax} deep, or in a circle`;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const fault = jsonFault(value[index], `${path}[${index}]`, depth + 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return `${path} is no plain object`;
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const fault = jsonFault(member, `${path}.${name}`, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
