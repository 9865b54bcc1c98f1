// Free text, asked of the node a moment after typing stops, at once with Enter.
import { TextInput } from '@mantine/core'
import { useEffect, useRef, useState, type KeyboardEvent } from 'react'
import { useShortcuts } from '../app/shortcuts'
import { useWords } from '../i18n'
import { Icon } from '../ui/icons'
import css from './list.module.css'

const pauseMs = 250

export function SearchBox({ text, onText }: { text: string; onText: (text: string) => void }) {
  const { t } = useWords()
  const [typed, setTyped] = useState(text)
  const [asked, setAsked] = useState(text)
  if (asked !== text) {
    // The conditions were cleared, or what was typed has been asked for.
    setAsked(text)
    setTyped(text)
  }
  const input = useRef<HTMLInputElement>(null)
  useShortcuts({ '/': () => input.current?.focus() })
  useEffect(() => {
    if (typed === text) return
    const timer = setTimeout(() => onText(typed), pauseMs)
    return () => clearTimeout(timer)
  }, [typed, text, onText])
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Enter') onText(typed)
    if (event.key === 'Escape') input.current?.blur()
  }
  return (
    <TextInput
      ref={input}
      type="search"
      size="xs"
      className={css.search}
      leftSection={<Icon name="search" />}
      rightSection={<kbd>/</kbd>}
      placeholder={t('list.search')}
      aria-label={t('list.searchShort')}
      aria-keyshortcuts="/"
      value={typed}
      onChange={(event) => setTyped(event.currentTarget.value)}
      onKeyDown={onKey}
    />
  )
}
