// The input of any field of any pack, chosen by the field's type and list alone.
import { Autocomplete, MultiSelect, Select, TagsInput, Textarea, TextInput } from '@mantine/core'
import { memo } from 'react'
import type { CodeList, Collection, Field } from '../api/types'
import { parseDate, parseDateTime, showDate, showDateTime } from '../format/time'
import { pick, useWords } from '../i18n'
import { splitLines } from '../schema/fields'
import { FieldLabel } from './FieldLabel'
import { useSuggestions } from './suggestions'

type FieldInputProps = {
  collection: Collection
  field: Field
  list: CodeList | null
  typed: string
  /** Should stay the same function from one drawing to the next. */
  onType: (name: string, typed: string) => void
  error: string | undefined
}

type InputProps = Omit<FieldInputProps, 'onType'> & { onType: (typed: string) => void }

export const inputId = (name: string) => `field-${name}`

/** Memoised: a key pressed in one field of a long form draws that field alone. */
export const FieldInput = memo(function FieldInput({ onType, ...rest }: FieldInputProps) {
  const { field, list } = rest
  const props: InputProps = { ...rest, onType: (typed) => onType(field.name, typed) }
  if (field.type === 'date' || field.type === 'datetime') return <DateInput {...props} />
  if (field.type === 'bool') return <BoolInput {...props} />
  if (field.type === 'list') return <ListInput {...props} />
  if (list === null) return <PlainInput {...props} />
  return list.open ? <SuggestionInput {...props} list={list} /> : <ChoiceInput {...props} list={list} />
})

/** What every input shares: its label with its sources, hint, error and the name that errors point to. */
function useCommon({ collection, field, list, error }: InputProps, format?: string) {
  const { label } = useWords()
  const hint = field.hint === null ? '' : label(field.hint)
  return {
    id: inputId(field.name),
    name: field.name,
    label: <FieldLabel collection={collection} field={field} list={list} inLabel />,
    'aria-label': label(field.label),
    description: [hint, format ?? ''].filter((part) => part !== '').join(' · ') || undefined,
    error,
    // Not the browser's `required`: its bubbles speak the browser's language and stop the form.
    withAsterisk: field.required,
    'aria-required': field.required,
    autoComplete: 'off',
  }
}

function PlainInput(props: InputProps) {
  const { t } = useWords()
  const { field, typed, onType } = props
  const common = useCommon(props)
  if (field.generated === 'temporary')
    return <TextInput {...common} data-generated placeholder={t('record.temporaryNew')} value={typed} onChange={(e) => onType(e.currentTarget.value)} />
  if (field.type === 'multiline')
    return <Textarea {...common} autosize minRows={3} maxRows={10} value={typed} onChange={(e) => onType(e.currentTarget.value)} />
  return (
    <TextInput {...common} inputMode={field.type === 'integer' ? 'numeric' : 'text'} value={typed} onChange={(e) => onType(e.currentTarget.value)} />
  )
}

function DateInput(props: InputProps) {
  const { t } = useWords()
  const { field, typed, onType } = props
  const moment = field.type === 'datetime'
  const format = moment ? t('form.dateTimeHint') : t('form.dateHint')
  const common = useCommon(props)
  // Typed short ("3-1-2026", "23112026"), shown in full once the field is left.
  const complete = () => {
    const iso = moment ? parseDateTime(typed) : parseDate(typed)
    if (iso !== null) onType(moment ? showDateTime(iso) : showDate(iso))
  }
  return (
    <TextInput {...common} placeholder={format} inputMode="numeric" value={typed} onChange={(e) => onType(e.currentTarget.value)} onBlur={complete} />
  )
}

function BoolInput(props: InputProps) {
  const { t } = useWords()
  const common = useCommon(props)
  const data = [
    { value: 'true', label: t('record.yes') },
    { value: 'false', label: t('record.no') },
  ]
  return <Select {...common} data={data} clearable placeholder={t('form.choose')} value={props.typed || null} onChange={(v) => props.onType(v ?? '')} />
}

type WithList = InputProps & { list: CodeList }

function useChoices(list: CodeList, chosen: string[]) {
  const { language } = useWords()
  const known = list.items.map((item) => ({ value: item.code, label: pick(item.label, language) }))
  const strange = chosen.filter((code) => !list.items.some((item) => item.code === code))
  // A stored code that the list no longer has stays visible and selected.
  return [...known, ...strange.map((code) => ({ value: code, label: code }))]
}

function ChoiceInput(props: WithList) {
  const { t } = useWords()
  const common = useCommon(props)
  const data = useChoices(props.list, props.typed === '' ? [] : [props.typed])
  return (
    <Select
      {...common}
      data={data}
      searchable={data.length > 8}
      openOnFocus={false}
      clearable={!props.field.required}
      placeholder={t('form.choose')}
      value={props.typed || null}
      onChange={(v) => props.onType(v ?? '')}
    />
  )
}

/** A list with no official text: its items are suggestions, any text is taken. */
function SuggestionInput(props: WithList) {
  const common = useCommon(props)
  return <Autocomplete {...common} openOnFocus={false} {...useSuggestions(props.list, props.typed, props.onType)} />
}

function ListInput(props: InputProps) {
  const { t } = useWords()
  const { list, typed, onType } = props
  const common = useCommon(props, list === null ? t('form.onePerLine') : undefined)
  if (list === null)
    return <Textarea {...common} autosize minRows={2} maxRows={10} value={typed} onChange={(e) => onType(e.currentTarget.value)} />
  return <CodesInput {...props} list={list} />
}

function CodesInput(props: WithList) {
  const common = useCommon(props)
  const codes = splitLines(props.typed)
  const data = useChoices(props.list, codes)
  const onChange = (chosen: string[]) => props.onType(chosen.join('\n'))
  if (!props.list.open) return <MultiSelect {...common} openOnFocus={false} data={data} value={codes} onChange={onChange} searchable clearable />
  return <TagsInput {...common} openOnFocus={false} data={data.map((choice) => choice.value)} value={codes} onChange={onChange} />
}
