// The sentences for what a form's text lacks.
import type { Collection } from '../api/types'
import { errorsByField, type Problem } from '../api/problem'
import type { Translate } from '../i18n'
import type { Complaint } from '../schema/fields'

export function complaintText(complaint: Complaint, t: Translate): string {
  if (complaint.kind === 'tooLong') return t('form.tooLong', { max: complaint.max, length: complaint.length })
  return t(`form.${complaint.kind}`)
}

export function complaintTexts(complaints: Record<string, Complaint>, t: Translate): Record<string, string> {
  return Object.fromEntries(Object.entries(complaints).map(([name, complaint]) => [name, complaintText(complaint, t)]))
}

/** The node's field errors that have a field on this form, and the sentences that have none. */
export function placeErrors(collection: Collection, problem: Problem) {
  const { fields, others } = errorsByField(problem)
  const known = Object.entries(fields).filter(([name]) => collection.fields.some((field) => field.name === name))
  const lost = Object.entries(fields).filter(([name]) => !collection.fields.some((field) => field.name === name))
  return { fields: Object.fromEntries(known), others: [...others, ...lost.map(([name, text]) => `${name}: ${text}`)] }
}
