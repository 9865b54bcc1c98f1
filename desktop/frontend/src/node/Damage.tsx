// That the store isn't as it was written somewhere, while it isn't.
import { Tooltip } from '@mantine/core'
import type { NodeState } from '../api/types'
import { useWords } from '../i18n'
import { Icon } from '../ui/icons'
import css from './node.module.css'

export function Damage({ damage }: { damage: NodeState['damage'] }) {
  const { t } = useWords()
  if (damage.count === 0) return null
  const says = t(damage.read_only ? 'damage.readOnly' : 'damage.known')
  return (
    <Tooltip label={says}>
      <span className={css.line} data-damage={damage.count} data-weak tabIndex={0}>
        <Icon name="warning" size={16} />
        <span>
          <b>{t('damage.title', { count: damage.count })}</b>
          <small>{says}</small>
        </span>
      </span>
    </Tooltip>
  )
}
