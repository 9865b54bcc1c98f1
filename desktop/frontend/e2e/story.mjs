// The whole loop in a real browser, on three real nodes: an officer's save reaches
// the province and moves a figure, through a cut, a conflict and back.
//
//   VUNGXA=bin/vungxa node e2e/story.mjs
//
// CHROMIUM names the browser (default /usr/bin/chromium). Prints a TAP line for
// each step, then "N passed, N failed"; a failed step leaves pictures of all pages,
// and with PICTURES=DIR every step does.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import { chromium } from 'playwright-core'
import { startDemo } from './demo.mjs'
import * as as from './officer.mjs'

const binary = process.env.VUNGXA
if (!binary) {
  console.error('VUNGXA must name the vungxa binary, for example VUNGXA=bin/vungxa')
  process.exit(2)
}
const failures = join(import.meta.dirname, 'failures')
const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

const password = 'một câu dễ nhớ 2026'
const applicant = `Giàng Thử Nghiệm ${Date.now() % 100_000}`
const values = { laptop: 'Sửa Trên Máy Xách Tay', box: 'Sửa Trên Hộp Cơ Quan' }

/** What one step leaves for the next. */
const known = {}

const steps = [
  ['sign in on the box, the laptop and the province by one-time links', async ({ box, laptop, province }) => {
    for (const office of [box, laptop, province]) await as.signInByLink(office)
    for (const office of [box, province]) await as.postponePassword(office)
  }],

  ['set a password, sign out, and sign in with it', async ({ laptop }) => {
    const { page } = laptop
    await page.getByLabel('Mật khẩu mới', { exact: true }).fill(password)
    await page.getByLabel('Nhập lại mật khẩu mới').fill(password)
    await page.keyboard.press('Enter')
    await page.getByText('Đã đặt mật khẩu.').waitFor()
    await page.getByRole('button', { name: /^Cán bộ:/ }).click()
    await page.getByRole('menuitem', { name: 'Đăng xuất' }).click()
    await page.getByText('Đã đăng xuất.').waitFor()
    const officer = page.getByRole('combobox', { name: 'Cán bộ' }).or(page.locator('input[name="officer"]')).first()
    if ((await officer.inputValue()) === '') {
      await officer.click()
      await page.getByRole('option').first().click()
    }
    await page.locator('input[name="password"]').fill(password)
    await page.keyboard.press('Enter')
    await page.locator('main tbody tr').first().waitFor()
  }],

  ['the province shows the same dossiers, and offers no way to change them', async ({ laptop, province }) => {
    const totals = async () => [await as.total(laptop), await as.total(province)]
    await as.until('as many dossiers at the province as on the laptop', totals, ([here, there]) => here > 0 && here === there, 120_000)
    if ((await province.page.getByRole('button', { name: /^Thêm mới/ }).count()) > 0) throw new Error('the province offers to create')
    await as.until('nothing unsent on the laptop', () => as.unsent(laptop), (n) => n === 0, 120_000)
    known.received = await as.until('received at the province', () => as.figure(province, 'dossiers', 'received'), (n) => n !== null)
  }],

  ['cut the lines of the laptop', async ({ laptop }) => {
    await as.setLines(laptop, 'cut')
    await laptop.page.locator('header [data-line="cut"]').first().waitFor()
    if ((await laptop.page.locator('header [data-line="connected"]').count()) > 0) throw new Error('a line is still shown as connected')
  }],

  ['create a dossier with the keyboard alone; it is saved here and waits', async ({ laptop }) => {
    const { page } = laptop
    await page.keyboard.press('1')
    await page.locator('main tbody tr').first().waitFor()
    await page.keyboard.press('n')
    await as.input(laptop, 'Mã thủ tục').and(page.locator(':focus')).waitFor()
    await page.keyboard.type('Đăng ký khai sinh')
    await tabTo(page, 'ChuHoSo')
    await page.keyboard.type(applicant)
    await tabTo(page, 'NgayTiepNhan')
    await page.keyboard.type(as.officeTime(Date.now()))
    await tabTo(page, 'NgayHenTra')
    await page.keyboard.type(as.officeTime(Date.now() + 5 * 86_400_000))
    await page.keyboard.press('Control+Enter')
    await page.getByRole('heading', { level: 1, name: applicant }).waitFor()
    known.created = new URL(page.url()).pathname
    if ((await as.tickOfRecord(laptop)) !== 'here') throw new Error('the tick claims more than "saved here"')
    await page.locator('main').getByText('mã tạm').waitFor()
    await as.until('unsent on the laptop', () => as.unsent(laptop), (n) => n === 1)
  }],

  ['edit it: saving goes on, and says that it waits', async ({ laptop }) => {
    await as.editField(laptop, 'Số điện thoại', '0912345678')
    await laptop.page.locator('[data-field="SoDienThoai"]').getByText('0912345678').waitFor()
    await as.until('unsent on the laptop', () => as.unsent(laptop), (n) => n === 2)
    await laptop.page.getByText(/^Chưa tới tỉnh: 2$/).waitFor()
    if ((await as.tickOfRecord(laptop)) !== 'here') throw new Error('the tick claims more than "saved here"')
  }],

  ['three days later the header says how long the oldest save has waited, in both languages', async ({ laptop }) => {
    const { page } = laptop
    const end = await as.daysLater(laptop, 3)
    const header = page.locator('header [data-unsent]')
    await header.getByText('chưa gửi lâu nhất: 3 ngày').waitFor()
    if (process.env.PICTURES) await takePictures({ laptop }, 'three-days', process.env.PICTURES)
    await page.getByRole('button', { name: 'English' }).click()
    await header.getByText('oldest unsent: 3 days').waitFor()
    await page.getByRole('button', { name: 'Tiếng Việt' }).click()
    await end()
    await page.reload()
    await page.locator('main dl').first().waitFor()
  }],

  ['a typed form asks before it is left, and keeps what was typed', async ({ laptop }) => {
    const { page } = laptop
    await page.locator('main h1').focus()
    await page.keyboard.press('e')
    await as.input(laptop, 'Địa chỉ').fill('Bản Phố 2')
    await page.getByRole('navigation', { name: 'Các mục' }).getByRole('link', { name: 'Chỉ số' }).click()
    await page.getByRole('dialog', { name: 'Bỏ những gì vừa nhập?' }).waitFor()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    if ((await as.input(laptop, 'Địa chỉ').inputValue()) !== 'Bản Phố 2') throw new Error('what was typed is gone')
    await page.keyboard.press('Control+Enter')
    await page.locator('[data-field="DiaChi"]').getByText('Bản Phố 2').waitFor()
  }],

  ['the same field is edited on both sides of the cut', async ({ laptop, box }) => {
    await as.toSection(box, 'Hồ sơ')
    await box.page.locator('main tbody tr a').first().click()
    await box.page.locator('main dl').first().waitFor()
    known.disputed = new URL(box.page.url()).pathname
    await as.openRecord(laptop, known.disputed)
    await as.editField(box, 'Chủ hồ sơ', values.box)
    await as.editField(laptop, 'Chủ hồ sơ', values.laptop)
  }],

  ['restore the lines: everything goes out and the ticks move to the province', async ({ laptop }) => {
    await as.setLines(laptop, 'restore')
    await laptop.page.locator('header [data-line="connected"]').first().waitFor()
    await as.until('unsent on the laptop', () => as.unsent(laptop), (n) => n === 0, 90_000)
    await laptop.page.getByText('Chưa tới tỉnh: 0').waitFor()
    await as.openRecord(laptop, known.created)
    await as.until('the tick', () => as.tickOfRecord(laptop), (tick) => tick === 'province')
  }],

  ['what the office has and the province has not is told so, record by record', async ({ laptop, box }) => {
    await as.setLineTo(box, 'province', 'cut')
    await as.editField(laptop, 'Địa chỉ', 'Bản Phố 3')
    await as.until('the tick', () => as.tickOfRecord(laptop), (tick) => tick === 'office')
    await laptop.page.locator('main section[data-tick="office"]').getByText('Hộp của cơ quan đã ký biên nhận. Tỉnh chưa ký.').waitFor()
    await as.until('unsent on the laptop', () => as.unsent(laptop), (n) => n === 1)
    if (process.env.PICTURES) await takePictures({ laptop, box }, 'office', process.env.PICTURES)
    await as.setLineTo(box, 'province', 'restore')
    await as.until('the tick', () => as.tickOfRecord(laptop), (tick) => tick === 'province')
  }],

  ['the province finds the new dossier without diacritics, and its figure has moved', async ({ province }) => {
    await as.toSection(province, 'Hồ sơ')
    await as.search(province, applicant.normalize('NFD').replace(/[\u0300-\u036f]/g, '').replace(/đ/g, 'd').toLowerCase())
    await province.page.locator('main tbody tr', { hasText: applicant }).waitFor()
    await as.until('received at the province', () => as.figure(province, 'dossiers', 'received'), (n) => n === known.received + 1)
    await province.page.getByRole('link', { name: /Gồm \d+\/\d+ máy/ }).click()
    await province.page.locator('[data-coverage] tbody tr').first().waitFor()
  }],

  ['both values of the conflict stand on both pages, with who, where and when', async ({ laptop, box }) => {
    for (const office of [laptop, box]) {
      await as.openRecord(office, known.disputed)
      const table = office.page.locator('[data-conflict-of="ChuHoSo"]')
      for (const value of Object.values(values)) await table.locator('tbody tr', { hasText: value }).waitFor()
      await table.getByText('đang hiển thị', { exact: true }).waitFor()
      await office.page.locator('[data-field="ChuHoSo"]').getByText('xung đột').waitFor()
    }
    await as.openInbox(laptop)
    await laptop.page.locator(`[data-kind="conflict"][data-record="${as.idOf(known.disputed)}"]`).getByRole('link').click()
    await laptop.page.locator('[data-conflict-of="ChuHoSo"]').waitFor()
    await as.toSection(box, 'Hồ sơ')
    await box.page.getByRole('button', { name: 'Có xung đột' }).click()
    await box.page.locator(`main tbody a[href="${known.disputed}"]`).waitFor()
  }],

  ['a person settles it on the box; the laptop and the province follow', async ({ laptop, box, province }) => {
    await as.openRecord(box, known.disputed)
    await box.page.locator('[data-conflict-of="ChuHoSo"] tbody tr', { hasText: values.laptop }).getByRole('button').click()
    await box.page.getByText('Đã giữ giá trị bạn chọn.').waitFor()
    await as.openRecord(province, known.disputed)
    for (const office of [box, laptop, province]) {
      await office.page.locator('[data-conflict-of]').waitFor({ state: 'detached', timeout: 90_000 })
      await office.page.locator('[data-field="ChuHoSo"]').getByText(values.laptop).waitFor()
    }
  }],

  ['the history tells both saves, who made them, and what the choice replaced', async ({ box }) => {
    const { page } = box
    await as.openHistory(box)
    const saves = page.locator('[data-history="true"] [data-save]')
    await saves.first().locator('[data-wrote="ChuHoSo"]', { hasText: values.laptop }).locator('[data-replaced]', { hasText: values.box }).waitFor()
    for (const value of Object.values(values)) await saves.locator('[data-wrote="ChuHoSo"]', { hasText: value }).first().waitFor()
    if ((await saves.count()) < 3) throw new Error('the history lacks a save')
  }],

  ['delete a dossier with the keyboard, and take that back at once', async ({ laptop }) => {
    const { page } = laptop
    await as.openRecord(laptop, known.created)
    await as.deleteRecord(laptop)
    await page.locator('main [data-deleted] button:focus', { hasText: 'Khôi phục' }).waitFor()
    await page.keyboard.press('Enter')
    await page.getByText('Đã khôi phục bản ghi.').waitFor()
    await page.getByRole('button', { name: /^Sửa/ }).waitFor()
  }],

  ['a deleted dossier is in no list but that of the deleted, and is restored from it', async ({ laptop }) => {
    const { page } = laptop
    await as.deleteRecord(laptop)
    await as.toSection(laptop, 'Hồ sơ')
    await as.search(laptop, applicant)
    await page.getByText('Không có bản ghi nào khớp.').waitFor()
    await page.getByRole('button', { name: 'Đã xóa', exact: true }).click()
    await page.locator('[data-deleted-list] tbody tr', { hasText: applicant }).getByRole('button', { name: /^Khôi phục/ }).click()
    await page.getByText('Đã khôi phục bản ghi.').waitFor()
    await page.locator('[data-deleted-list] tbody tr', { hasText: applicant }).waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Bỏ lọc' }).click()
    await as.search(laptop, applicant)
    await page.locator('main tbody tr', { hasText: applicant }).waitFor()
    await page.getByRole('button', { name: 'Bỏ lọc' }).click()
  }],

  ['deleted here and edited there: both inboxes ask a person, and a restoration settles it', async ({ laptop, box }) => {
    await as.until('nothing unsent on the laptop', () => as.unsent(laptop), (n) => n === 0)
    await as.openRecord(box, known.created)
    await as.setLines(laptop, 'cut')
    await laptop.page.locator('header [data-line="cut"]').first().waitFor()
    await as.openRecord(laptop, known.created)
    await as.openRecord(box, known.created)
    await as.deleteRecord(box)
    await as.editField(laptop, 'Số điện thoại', '0987654321')
    await as.setLines(laptop, 'restore')
    const item = `[data-kind="edited"][data-record="${as.idOf(known.created)}"]`
    for (const office of [laptop, box]) {
      await as.openInbox(office)
      await office.page.locator(item).waitFor({ timeout: 90_000 })
    }
    await accessible(box.page, 'inbox')
    if (process.env.PICTURES) await takePictures({ laptop, box }, 'inbox', process.env.PICTURES)
    await as.openRecord(box, known.created)
    await box.page.locator('main [data-deleted="edited"]').waitFor()
    await accessible(box.page, 'edited after deletion')
    await as.openInbox(laptop)
    await laptop.page.locator(item).getByRole('button', { name: /^Khôi phục/ }).click()
    await laptop.page.locator(item).waitFor({ state: 'detached' })
    await box.page.locator('main [data-deleted]').waitFor({ state: 'detached', timeout: 90_000 })
    await box.page.locator('[data-field="SoDienThoai"]').getByText('0987654321').waitFor()
  }],

  ['move a dossier to another status', async ({ laptop }) => {
    const { page } = laptop
    await as.openRecord(laptop, known.created)
    await page.getByLabel('Chọn trạng thái mới').and(page.locator('input')).click()
    await page.getByRole('option', { name: 'Đang xử lý' }).click()
    await page.getByRole('button', { name: 'Chuyển', exact: true }).click()
    await page.locator('[data-field="TrangThaiHoSo"]').getByText('Đang xử lý').waitFor()
  }],

  ['switch to English and back', async ({ laptop }) => {
    const { page } = laptop
    await page.getByRole('button', { name: 'English' }).click()
    await page.getByRole('link', { name: 'Dossiers' }).first().waitFor()
    await page.getByRole('button', { name: 'Edit' }).waitFor()
    if ((await page.locator('html').getAttribute('lang')) !== 'en') throw new Error('the page does not say that it is English')
    await page.getByRole('button', { name: 'Tiếng Việt' }).click()
    await page.getByRole('button', { name: /^Sửa/ }).waitFor()
  }],

  ['get about without a mouse: skip link, rows, help', async ({ laptop }) => {
    const { page } = laptop
    await page.goto(laptop.base)
    await page.locator('main tbody tr').first().waitFor()
    await page.keyboard.press('ArrowDown')
    await page.locator('main tbody tr a:focus').waitFor()
    await page.keyboard.press('Enter')
    await page.locator('main dl').first().waitFor()
    await page.locator('main h1:focus').waitFor()
    await page.keyboard.press('Escape')
    await page.locator('main tbody tr a:focus').waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Phím tắt' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.locator('.skip').focus()
    await page.keyboard.press('Enter')
    await page.locator('main:focus').waitFor()
  }],

  ['list, record, form, figures and sign-in pass the accessibility rules (WCAG A and AA)', async ({ laptop }) => {
    const { page } = laptop
    await page.goto(laptop.base)
    await page.locator('main tbody tr').first().waitFor()
    await page.getByRole('button', { name: 'Bộ lọc' }).click()
    await accessible(page, 'list')
    await page.getByRole('button', { name: 'Đã xóa', exact: true }).click()
    await page.locator('[data-deleted-list]').waitFor()
    await accessible(page, 'the deleted')
    await page.getByRole('button', { name: 'Đã xóa', exact: true }).click()
    await as.openRecord(laptop, known.created)
    await as.openHistory(laptop)
    await accessible(page, 'record and history')
    await page.locator('main h1').focus()
    await page.keyboard.press('Delete')
    await page.getByRole('dialog').waitFor()
    await accessible(page, 'the question before a deletion')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.keyboard.press('e')
    await page.locator('main form').waitFor()
    await accessible(page, 'form')
    await page.keyboard.press('Escape')
    await as.toSection(laptop, 'Chỉ số')
    await page.locator('[data-coverage]').waitFor()
    await accessible(page, 'figures')
    await page.getByRole('button', { name: /^Cán bộ:/ }).click()
    await page.getByRole('menuitem', { name: 'Đăng xuất' }).click()
    await page.getByText('Đã đăng xuất.').waitFor()
    await accessible(page, 'sign-in')
  }],

  ['no page asked another host for anything or met an error', async (offices) => {
    const faults = Object.values(offices).flatMap(({ node, faults }) => faults.map((fault) => `${node.role}: ${fault}`))
    if (faults.length > 0) throw new Error(faults.join('\n'))
  }],
]

async function accessible(page, name) {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']).analyze()
  const told = violations.map(({ id, help, nodes }) => `${name}: ${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`)
  if (told.length > 0) throw new Error(told.join('\n'))
}

/** Presses Tab until the field has the focus: the way there must exist, however long. */
async function tabTo(page, field) {
  for (let i = 0; i < 60; i++) {
    if (await page.evaluate((name) => document.activeElement?.id === `field-${name}`, field)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`Tab never reaches ${field}`)
}

async function takePictures(offices, number, folder) {
  await mkdir(folder, { recursive: true })
  for (const [role, { page }] of Object.entries(offices)) {
    const path = join(folder, `${number}-${role}.png`)
    await page.screenshot({ path })
    console.log(`# picture: ${path}`)
  }
}

/** Runs the steps in order; the first that fails ends the story. */
async function play(offices) {
  for (const [i, [name, run]] of steps.entries()) {
    const begin = performance.now()
    try {
      await run(offices)
      console.log(`ok ${i + 1} - ${name} (${((performance.now() - begin) / 1000).toFixed(1)} s)`)
      if (process.env.PICTURES) await takePictures(offices, i + 1, process.env.PICTURES)
    } catch (error) {
      console.log(`not ok ${i + 1} - ${name}`)
      console.log(String(error.stack ?? error).replace(/^/gm, '# '))
      await takePictures(offices, i + 1, failures)
      return { passed: i, failed: 1 }
    }
  }
  return { passed: steps.length, failed: 0 }
}

async function main() {
  console.log(`1..${steps.length}`)
  const demo = await startDemo(binary)
  let browser
  try {
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: flags })
    const offices = {}
    for (const role of ['box', 'laptop', 'province']) offices[role] = await as.openOffice(browser, demo.nodes[role])
    return await play(offices)
  } finally {
    await browser?.close()
    await demo.stop()
  }
}

const { passed, failed } = await main()
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
