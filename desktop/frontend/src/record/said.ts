// What an operation says, as text.
import type { Collection, Said, Schema } from '../api/types'
import { valueText } from '../fields/FieldValue'
import type { Language, Translate } from '../i18n'
import { findField } from '../schema/fields'

/** Null for a value that is missing, and of a field that the pack doesn't know. */
export function saidText(schema: Schema, collection: Collection, said: Said, language: Language, t: Translate): string | null {
  if (said.what === 'erased' || said.what === 'unread') return t(`history.${said.what}`)
  const field = said.field === undefined ? undefined : findField(collection, said.field)
  return field === undefined ? null : valueText(schema, field, said.value, language, t)
}
