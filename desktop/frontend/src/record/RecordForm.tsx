// The form of any collection, for a new record or an edit, laid out by the pack's sections.
import { Button } from '@mantine/core'
import { useEffect, useRef, useState, type FocusEvent, type KeyboardEvent as ReactKeyboardEvent, type SyntheticEvent } from 'react'
import type { Collection, Field, Rec, Schema, Values } from '../api/types'
import { useLeaveGuard } from '../app/router'
import { isQuiet } from '../app/shortcuts'
import { FieldInput } from '../fields/FieldInput'
import { useWords } from '../i18n'
import { layout, listOf } from '../schema/fields'
import { LeaveDialog } from '../ui/LeaveDialog'
import { Note } from '../ui/Note'
import { FormErrors } from './FormErrors'
import css from './record.module.css'
import { useRecordForm, type FormState } from './useRecordForm'

type Props = {
  schema: Schema
  collection: Collection
  /** The record as it is now; null for a new one. The form keeps what it was opened on. */
  record: Rec | null
  /** What the form has typed in it from the start. */
  initial?: Values | undefined
  /** Fields that are saved again even as they are: what was saved of them wasn't taken. */
  again?: string[] | undefined
  onSaved: (record: Rec) => void
  onCancel: () => void
}

export function RecordForm({ schema, collection, record, initial, again, onSaved, onCancel }: Props) {
  const { t } = useWords()
  const [openedOn] = useState(record)
  const form = useRecordForm(schema, collection, openedOn, onSaved, initial, again)
  const guard = useLeaveGuard(form.dirty)
  const field = useLastField()
  useFormKeys(form.submit, onCancel)
  const ref = useFocusOnOpen()
  const submit = (event: SyntheticEvent) => {
    event.preventDefault()
    form.submit()
  }
  return (
    <form ref={ref} className={css.form} onSubmit={submit} onKeyDown={keepOpen} onFocus={field.note} noValidate>
      {openedOn !== null && record !== null && record.version !== openedOn.version && (
        <Note tone="wait" title={t('record.changedElsewhere')}>
          {t('record.changedElsewhereHint')}
        </Note>
      )}
      <FormErrors collection={collection} form={form} />
      {form.nothingChanged && <Note tone="plain" title={t('record.nothingChanged')} alert />}
      <Sections schema={schema} collection={collection} record={openedOn} form={form} />
      <div className={css.formButtons}>
        <Button type="submit" size="sm" aria-disabled={form.saving} aria-keyshortcuts="Control+Enter">
          {form.saving ? t('record.saving') : t('record.save')}
        </Button>
        <Button variant="default" size="sm" onClick={onCancel}>
          {t('record.cancel')}
        </Button>
        <span className={css.keys}>
          <kbd>Ctrl</kbd>+<kbd>Enter</kbd> {t('help.save')}
        </span>
      </div>
      <LeaveDialog guard={guard} onStay={field.back} />
    </form>
  )
}

/** Enter in a one-line field saves nothing: the form is long, and half of it would go to the province. */
function keepOpen(event: ReactKeyboardEvent) {
  if (event.key === 'Enter' && event.target instanceof HTMLInputElement) event.preventDefault()
}

/** Ctrl+Enter and Ctrl+S save wherever the focus is, a text area too. Escape cancels (and asks when something was typed). */
function useFormKeys(submit: () => void, cancel: () => void) {
  const latest = useRef({ submit, cancel })
  useEffect(() => {
    latest.current = { submit, cancel }
  })
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (isQuiet()) return
      const save = (event.ctrlKey || event.metaKey) && (event.key === 'Enter' || event.key.toLowerCase() === 's')
      if (save) {
        event.preventDefault()
        latest.current.submit()
      } else if (event.key === 'Escape' && !event.defaultPrevented && !isListOpen(event.target)) latest.current.cancel()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [])
}

function isListOpen(target: EventTarget | null) {
  return target instanceof HTMLElement && target.getAttribute('aria-expanded') === 'true'
}

/** Who stays is back in the field that was being typed in. */
function useLastField() {
  const last = useRef<HTMLElement | null>(null)
  return {
    note: (event: FocusEvent) => {
      if (event.target instanceof HTMLElement) last.current = event.target
    },
    back: () => last.current?.focus(),
  }
}

/** The first input that waits for a person takes the focus, so that typing can start at once. */
function useFocusOnOpen() {
  const ref = useRef<HTMLFormElement>(null)
  useEffect(() => {
    ref.current?.querySelector<HTMLElement>('input:not([type=hidden], [data-generated]), textarea')?.focus({ preventScroll: true })
  }, [])
  return ref
}

type SectionsProps = { schema: Schema; collection: Collection; record: Rec | null; form: FormState }

function Sections({ schema, collection, record, form }: SectionsProps) {
  const { label } = useWords()
  const shown = (field: Field) => record === null || field.name !== collection.status
  return layout(collection).map((section, i) => (
    <fieldset key={i} className={css.section}>
      {section.label !== null && <legend>{label(section.label)}</legend>}
      <div className={css.grid}>
        {section.fields.filter(shown).map((field) => (
          <div key={field.name} data-wide={field.type === 'multiline' || field.type === 'list'}>
            <FieldInput
              collection={collection}
              field={field}
              list={listOf(schema, field)}
              typed={form.typed(field.name)}
              onType={form.type}
              error={form.errors[field.name]}
            />
          </div>
        ))}
      </div>
    </fieldset>
  ))
}
