// Paging by cursor: forth with what the node gave, back through the pages that were opened.
import { Button } from '@mantine/core'
import type { Page } from '../api/types'
import { showCount } from '../format/number'
import { useWords } from '../i18n'
import { Icon } from '../ui/icons'
import css from './list.module.css'

type Props = { from: number; page: Page; back: string[] | null; forth: string[] | null; turn: (cursors: string[] | null) => void }

export function Pager({ from, page, back, forth, turn }: Props) {
  const { t, language } = useWords()
  if (page.items.length === 0 && back === null) return null
  const range = { from: showCount(from + 1, language), to: showCount(from + page.items.length, language), total: showCount(page.total, language) }
  return (
    <nav className={css.pager} aria-label={t('list.next')}>
      <Button variant="default" disabled={back === null} onClick={() => turn(back)} leftSection={<Icon name="left" />} aria-keyshortcuts="[">
        {t('list.previous')}
      </Button>
      <span aria-live="polite">{t('list.range', range)}</span>
      <Button variant="default" disabled={forth === null} onClick={() => turn(forth)} rightSection={<Icon name="right" />} aria-keyshortcuts="]">
        {t('list.next')}
      </Button>
    </nav>
  )
}
