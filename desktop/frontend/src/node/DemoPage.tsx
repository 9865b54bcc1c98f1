// Cutting and restoring lines, on nodes that were started as a demo.
import { Button } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useApi, useNode } from '../api/queries'
import type { Peer } from '../api/types'
import { useWords } from '../i18n'
import { Heading } from '../ui/Heading'
import { ProblemNote } from '../ui/ProblemNote'
import { contactText, lineState } from './Lines'
import css from './node.module.css'

export function DemoPage() {
  const { t } = useWords()
  const node = useNode()
  const api = useApi()
  const client = useQueryClient()
  const line = useMutation({
    mutationFn: ({ device, cut }: { device: string; cut: boolean }) => api.cutLine(device, cut),
    onSettled: () => client.invalidateQueries({ queryKey: ['node'] }),
  })
  return (
    <div className={css.page}>
      <Heading document={t('app.demo')}>{t('demo.title')}</Heading>
      <p>{t('demo.explain')}</p>
      {line.isError && <ProblemNote error={line.error} />}
      <table className={css.table}>
        <thead>
          <tr>
            <th scope="col">{t('demo.line')}</th>
            <th scope="col">{t('demo.state')}</th>
            <th scope="col">{t('demo.action')}</th>
          </tr>
        </thead>
        <tbody>
          {node.data?.peers.map((peer) => (
            <LineRow key={peer.device} peer={peer} set={(cut) => line.mutate({ device: peer.device, cut })} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function LineRow({ peer, set }: { peer: Peer; set: (cut: boolean) => void }) {
  const { t } = useWords()
  return (
    <tr data-peer-row={peer.device} data-role={peer.role}>
      <th scope="row">{peer.name}</th>
      <td>
        {t(`line.${lineState(peer)}`)}
        <br />
        <small>{contactText(peer, t)}</small>
      </td>
      <td>
        <Button variant={peer.cut ? 'filled' : 'default'} onClick={() => set(!peer.cut)} data-action={peer.cut ? 'restore' : 'cut'}>
          {peer.cut ? t('demo.restore', { name: peer.name }) : t('demo.cut', { name: peer.name })}
        </Button>
      </td>
    </tr>
  )
}
