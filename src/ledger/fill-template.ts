// Scripts that stand in other scripts.

/** Puts the parts where the template names them, `--@NAME@`. */
export function fillTemplate(template: string, parts: Readonly<Record<string, string>>): string {
  return template.replace(/--@([A-Z_]+)@/g, (placeholder, part: string) => parts[part] ?? placeholder)
}
