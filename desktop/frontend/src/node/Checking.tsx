// That the store is still being compared with what was written, after a start, and how far that is.
import type { NodeState } from '../api/types'
import { showCount } from '../format/number'
import { useWords } from '../i18n'
import { Icon } from '../ui/icons'
import css from './node.module.css'

const megabytes = (bytes: number) => Math.ceil(bytes / 1_000_000)

export function Checking({ checking }: { checking: NodeState['checking'] }) {
  const { t, language } = useWords()
  if (checking.left === 0) return null
  const done = Math.floor((100 * (checking.total - checking.left)) / checking.total)
  return (
    <span className={css.line} role="status" data-checking={done}>
      <Icon name="search" size={16} />
      <span>
        <b>{t('checking.title', { done })}</b>
        <small>{t('checking.left', { left: showCount(megabytes(checking.left), language), total: showCount(megabytes(checking.total), language) })}</small>
      </span>
    </span>
  )
}
