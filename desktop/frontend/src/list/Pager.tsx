// Paging by cursor: forth with what the node gave, back through the pages that were opened.
import { Button } from '@mantine/core'
import { showCount } from '../format/number'
import { useWords } from '../i18n'
import { Icon } from '../ui/icons'
import css from './list.module.css'

/** `total` is null where nobody counts. */
type Props = { from: number; count: number; total: number | null; back: string[] | null; forth: string[] | null; turn: (cursors: string[] | null) => void }

export function Pager({ from, count, total, back, forth, turn }: Props) {
  const { t, language } = useWords()
  if (count === 0 && back === null) return null
  const range = { from: showCount(from + 1, language), to: showCount(from + count, language) }
  return (
    <nav className={css.pager} aria-label={t('list.pages')}>
      <Button variant="default" disabled={back === null} onClick={() => turn(back)} leftSection={<Icon name="left" />} aria-keyshortcuts="[">
        {t('list.previous')}
      </Button>
      <span aria-live="polite">{total === null ? t('list.rangeOnly', range) : t('list.range', { ...range, total: showCount(total, language) })}</span>
      <Button variant="default" disabled={forth === null} onClick={() => turn(forth)} rightSection={<Icon name="right" />} aria-keyshortcuts="]">
        {t('list.next')}
      </Button>
    </nav>
  )
}
