// A form's state: what was typed per field, against the record that it was opened on.
import type { Collection, Rec, Schema, Values } from '../api/types'
import { fromTyped, listOf, toTyped, type Complaint } from './fields'

/** Field name to typed text. Lives in memory only: a draft is never put into browser storage. */
export type Draft = Record<string, string>

export type DraftReading = { values: Values; complaints: Record<string, Complaint> }

export function openDraft(collection: Collection, record: Rec | null): Draft {
  return Object.fromEntries(collection.fields.map((field) => [field.name, toTyped(field, record?.values[field.name])]))
}

/** Values as a person would have typed them; those of fields that the pack doesn't know are left out. */
export function typeIn(collection: Collection, values: Values): Draft {
  const known = collection.fields.filter((field) => values[field.name] !== undefined)
  return Object.fromEntries(known.map((field) => [field.name, toTyped(field, values[field.name])]))
}

/** Names of fields whose text is not what the form was opened with. */
export function changedFields(opened: Draft, draft: Draft): string[] {
  return Object.keys(draft).filter((name) => draft[name] !== opened[name])
}

/** Reads a new record's form. Missing values are left out; a code among them is then given by the node. */
export function readNew(schema: Schema, collection: Collection, draft: Draft): DraftReading {
  const names = collection.fields.map((field) => field.name)
  const { values, complaints } = readFields(schema, collection, draft, names)
  const filled = Object.entries(values).filter(([, value]) => value !== null)
  return { values: Object.fromEntries(filled), complaints }
}

/** Reads an edit: only what was changed travels, and what is to be sent again, so that nothing unseen is overwritten. */
export function readChanges(schema: Schema, collection: Collection, opened: Draft, draft: Draft, again: string[] = []): DraftReading {
  return readFields(schema, collection, draft, [...changedFields(opened, draft), ...again])
}

function readFields(schema: Schema, collection: Collection, draft: Draft, names: string[]): DraftReading {
  const reading: DraftReading = { values: {}, complaints: {} }
  for (const field of collection.fields) {
    if (!names.includes(field.name)) continue
    const { value, complaint } = fromTyped(field, listOf(schema, field), draft[field.name] ?? '')
    if (complaint === undefined) reading.values[field.name] = value
    else reading.complaints[field.name] = complaint
  }
  return reading
}
