// What kept a form from being saved, above it and in the focus: every field is one step away.
import { useEffect, useRef, type MouseEvent } from 'react'
import type { Collection } from '../api/types'
import { inputId } from '../fields/FieldInput'
import { useWords } from '../i18n'
import { findField } from '../schema/fields'
import { Note } from '../ui/Note'
import { ProblemNote } from '../ui/ProblemNote'
import css from './record.module.css'
import type { FormState } from './useRecordForm'

export function FormErrors({ collection, form }: { collection: Collection; form: FormState }) {
  const { t } = useWords()
  const ref = useRef<HTMLDivElement>(null)
  const { failures } = form
  useEffect(() => {
    if (failures > 0) ref.current?.focus()
  }, [failures])
  const names = Object.keys(form.errors)
  if (names.length === 0 && form.problem === null) return null
  return (
    <div ref={ref} tabIndex={-1} className={css.errors}>
      {form.problem === null ? (
        <Note tone="bad" title={t('form.checkFields')} alert>
          <FieldLinks collection={collection} errors={form.errors} />
        </Note>
      ) : (
        <ProblemNote error={form.problem} title={t('problem.notSaved')}>
          {form.others.map((text) => (
            <p key={text}>{text}</p>
          ))}
          <FieldLinks collection={collection} errors={form.errors} />
          <p>{t('form.kept')}</p>
        </ProblemNote>
      )}
    </div>
  )
}

function FieldLinks({ collection, errors }: { collection: Collection; errors: Record<string, string> }) {
  const { label } = useWords()
  const toField = (event: MouseEvent, name: string) => {
    event.preventDefault()
    document.getElementById(inputId(name))?.focus()
  }
  const names = Object.keys(errors)
  if (names.length === 0) return null
  return (
    <ul>
      {names.map((name) => {
        const field = findField(collection, name)
        return (
          <li key={name}>
            <a href={`#${inputId(name)}`} onClick={(event) => toField(event, name)}>
              {field === undefined ? name : label(field.label)}
            </a>
            : {errors[name]}
          </li>
        )
      })}
    </ul>
  )
}
