// What is being computed anew from the records, while the office works on; nothing when all is as it should be.
import type { NodeState } from '../api/types'
import { showCount } from '../format/number'
import { useWords } from '../i18n'
import { Icon } from '../ui/icons'
import css from './node.module.css'

export function Views({ views }: { views: NodeState['views'] }) {
  const { t, language } = useWords()
  const shown = views.filter((view) => view.state === 'computing' || view.state === 'failed' || view.unread > 0)
  if (shown.length === 0) return null
  return (
    <span className={css.line} role="status">
      <Icon name="warning" size={16} />
      <span>
        {shown.map((view) => (
          <small key={view.name} data-view={view.name} data-state={view.state}>
            {view.state === 'computing' && t(`view.${view.name}`, { done: showCount(view.done, language) })}
            {view.state === 'failed' && t('view.failed')}
            {view.state !== 'computing' && view.state !== 'failed' && t('view.unread', { count: view.unread })}
          </small>
        ))}
      </span>
    </span>
  )
}
