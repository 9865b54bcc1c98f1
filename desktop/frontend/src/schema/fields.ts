// How a pack's field looks as text that a person types or reads, and back.
// Nothing here knows a collection by name: everything follows from /schema.
import type { CodeList, Collection, Field, Rec, Schema, Value } from '../api/types'
import { isNoDay, parseDate, parseDateTime, showDate, showDateTime } from '../format/time'

export function findField(collection: Collection, name: string): Field | undefined {
  return collection.fields.find((field) => field.name === name)
}

export function listOf(schema: Schema, field: Field): CodeList | null {
  return field.list === null ? null : (schema.code_lists[field.list] ?? null)
}

/** A list is bound to its items only when an official text or a source says so. */
export function isClosed(list: CodeList | null): boolean {
  return list !== null && !list.open
}

/** The text that stands in the field's input for a stored value; "" for a missing one. */
export function toTyped(field: Field, value: Value | undefined): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.join('\n')
  if (field.type === 'date') return showDate(String(value))
  if (field.type === 'datetime') return showDateTime(String(value))
  return String(value)
}

export type Complaint =
  | { kind: 'required' | 'badDate' | 'badDateTime' | 'noSuchDay' | 'badInteger' | 'notInList' }
  | { kind: 'tooLong'; max: number; length: number }

export type Reading = { value: Value; complaint?: never } | { value?: never; complaint: Complaint }

/** Reads typed text as the field's value. Blank text is a missing value, which only `required` minds. */
export function fromTyped(field: Field, list: CodeList | null, typed: string): Reading {
  if (typed.trim() === '') return field.required && field.generated === '' ? { complaint: { kind: 'required' } } : { value: null }
  switch (field.type) {
    case 'date':
      return orComplain(parseDate(typed), isNoDay(typed) ? 'noSuchDay' : 'badDate')
    case 'datetime':
      return orComplain(parseDateTime(typed), isNoDay(typed) ? 'noSuchDay' : 'badDateTime')
    case 'bool':
      return { value: typed === 'true' }
    case 'integer':
      return orComplain(parseInteger(typed), 'badInteger')
    case 'list':
      return readList(field, list, typed)
    case 'code':
      return inList(list, typed) ? { value: typed.trim() } : { complaint: { kind: 'notInList' } }
    default:
      return readText(field, typed)
  }
}

function orComplain(value: string | number | null, kind: 'badDate' | 'badDateTime' | 'noSuchDay' | 'badInteger'): Reading {
  return value === null ? { complaint: { kind } } : { value }
}

function parseInteger(typed: string): number | null {
  const text = typed.trim()
  const n = Number(text)
  return /^[-+]?\d+$/.test(text) && Number.isSafeInteger(n) ? n : null
}

function inList(list: CodeList | null, code: string): boolean {
  return list === null || list.open || list.items.some((item) => item.code === code.trim())
}

function readText(field: Field, typed: string): Reading {
  const length = countCharacters(typed)
  if (field.max > 0 && length > field.max) return { complaint: { kind: 'tooLong', max: field.max, length } }
  return { value: typed }
}

function readList(field: Field, list: CodeList | null, typed: string): Reading {
  const items = splitLines(typed)
  const long = items.map(countCharacters).find((length) => field.max > 0 && length > field.max)
  if (long !== undefined) return { complaint: { kind: 'tooLong', max: field.max, length: long } }
  return items.every((item) => inList(list, item)) ? { value: items } : { complaint: { kind: 'notInList' } }
}

/** Characters as the node counts them: Unicode code points. */
export function countCharacters(text: string): number {
  return Array.from(text).length
}

export function splitLines(typed: string): string[] {
  return typed
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

const temporaryPrefix = 'TẠM-'

/** True when the code was given by a device for the time being; an imported or official one isn't. */
export function isTemporary(field: Field, value: Value | undefined): boolean {
  return field.generated === 'temporary' && typeof value === 'string' && value.normalize('NFC').startsWith(temporaryPrefix)
}

/** A field is marked when the record says so, or when its cell does. */
export function isConflicted(record: Rec, name: string): boolean {
  return record.conflicts.includes(name) || record.cells?.[name]?.conflict === true
}

/** The fields in the order of the form; those that no section names come last. */
export function layout(collection: Collection): { label: Collection['label'] | null; fields: Field[] }[] {
  const named = new Set(collection.sections.flatMap((section) => section.fields))
  const sections = collection.sections.map((section) => ({
    label: section.label,
    fields: section.fields.flatMap((name) => findField(collection, name) ?? []),
  }))
  const rest = collection.fields.filter((field) => !named.has(field.name))
  return rest.length === 0 ? sections : [...sections, { label: null, fields: rest }]
}

/** The statuses that may follow, or null when the pack names no order and any may. */
export function nextStatuses(collection: Collection, status: Value | undefined): string[] | null {
  const next = collection.statuses?.next
  if (next === null || next === undefined) return null
  return typeof status === 'string' ? (next[status] ?? []) : []
}
