// A stored value as people read it. A missing value is shown as missing, never filled in.
import { Tooltip } from '@mantine/core'
import type { CodeList, Field, Schema, Value } from '../api/types'
import { showDate, showDateTime } from '../format/time'
import { showCount } from '../format/number'
import { pick, useWords, type Language, type Translate } from '../i18n'
import { isTemporary, listOf } from '../schema/fields'
import css from './fields.module.css'

/** The label of a code; a code that the list doesn't know is shown as it is. */
export function codeText(list: CodeList | null, code: string, language: Language): string {
  const item = list?.items.find((known) => known.code === code)
  return item === undefined ? code : pick(item.label, language)
}

/** Plain text of a value, or null when it is missing. */
export function valueText(schema: Schema, field: Field, value: Value | undefined, language: Language, t: Translate): string | null {
  if (value === null || value === undefined || value === '') return null
  const list = listOf(schema, field)
  if (Array.isArray(value)) return value.length === 0 ? null : value.map((v) => codeText(list, v, language)).join('; ')
  if (typeof value === 'boolean') return value ? t('record.yes') : t('record.no')
  if (typeof value === 'number') return showCount(value, language)
  if (field.type === 'date') return showDate(value)
  if (field.type === 'datetime') return showDateTime(value)
  return field.type === 'code' ? codeText(list, value, language) : value
}

/** Numbered codes stand on papers too; a code that is a word of the program tells people nothing. */
function isOfficialCode(value: Value | undefined): value is string {
  return typeof value === 'string' && /\d/.test(value)
}

type Props = { schema: Schema; field: Field; value: Value | undefined; brief?: boolean }

export function FieldValue({ schema, field, value, brief = false }: Props) {
  const { t, language } = useWords()
  const text = valueText(schema, field, value, language, t)
  if (text === null) return <span className={css.missing}>{brief ? '–' : t('record.missing')}</span>
  return (
    <>
      <span className={field.type === 'multiline' && !brief ? css.multiline : undefined}>{text}</span>
      {!brief && field.type === 'code' && isOfficialCode(value) && text !== value && <span className={css.code}>{value}</span>}
      {isTemporary(field, value) && <TemporaryMark brief={brief} />}
    </>
  )
}

function TemporaryMark({ brief }: { brief: boolean }) {
  const { t } = useWords()
  const mark = <span className={css.temporary} tabIndex={brief ? undefined : 0} title={brief ? t('record.temporaryHint') : undefined}>{t('record.temporary')}</span>
  return brief ? mark : <Tooltip label={t('record.temporaryHint')}>{mark}</Tooltip>
}
