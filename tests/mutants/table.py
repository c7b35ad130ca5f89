# SPDX-License-Identifier: BSD-2-Clause
"""The mutants: what is broken, where, and the test that must notice.

old stands exactly once in the file; new takes its place. Tests: unit:NAME is
tests/unit/test_NAME.c, e2e:FILE::TEST is below tests/e2e. The protocol's own
mutants are in tests/model.
"""
from typing import NamedTuple


class Mutant(NamedTuple):
    name: str
    test: str
    file: str
    old: str
    new: str
    why: str


def m(name, test, file, old, new, why):
    return Mutant(name, test, file, old, new, why)


PAGES = [
    m("harvest-drops-a-page", "unit:dirty_log", "vmm/dirty_log.c",
      "\tmemset(log->bits, 0, bitmap_bytes(log->pages));\n\tlog->marked = 0;",
      "\tmemset(log->bits, 0, bitmap_bytes(log->pages));\n\tout[0] &= out[0] - 1;\n"
      "\tlog->marked = 0;",
      "a harvest hands over every dirty page"),
    m("harvest-keeps-its-bits", "unit:dirty_log", "vmm/dirty_log.c",
      "\tmemset(log->bits, 0, bitmap_bytes(log->pages));\n", "",
      "a harvest hands a page over once"),
    m("host-writes-not-marked", "unit:dirty_log", "vmm/guest_mem.c",
      "\tif (!vm->dirty.on || !len)\n\t\treturn;", "\treturn;",
      "the hypervisor's own writes count as dirty"),
    m("last-page-not-marked", "unit:dirty_log", "vmm/guest_mem.c",
      "\tfor (gfn_t gfn = gpa >> PAGE_SHIFT; gfn <= (gpa + len - 1) >> PAGE_SHIFT; gfn++)",
      "\tfor (gfn_t gfn = gpa >> PAGE_SHIFT; gfn < (gpa + len - 1) >> PAGE_SHIFT; gfn++)",
      "a write over a page's end dirties both pages"),
    m("wp-fault-marks-another-page", "e2e:test_move_hot.py::test_dirty_tracking_method[wp]", "vmm/exits.c",
      "\tdirty_log_mark(v->vm, e->mmio.gpa >> PAGE_SHIFT);",
      "\tdirty_log_mark(v->vm, (e->mmio.gpa >> PAGE_SHIFT) + 1);",
      "a write-protection fault marks the page that was written"),
    m("wp-fault-opens-another-page", "unit:ept", "arch/x86/vmx/ept_log.c",
      "\tuint64_t *entry = ept_find(s, gpa, &level);\n\n\tif (!entry || s->log != SLAT_LOG_WP",
      "\tuint64_t *entry = ept_find(s, gpa ^ PAGE_SIZE, &level);\n\n"
      "\tif (!entry || s->log != SLAT_LOG_WP",
      "only the page that faulted becomes writable"),
    m("scan-stays-above", "unit:ept", "arch/x86/vmx/ept_log.c",
      "\t\t\tfound |= scan_tree(ept_table_of(table[i]), level - 1, gpa, dirty, ctx);",
      "\t\t\tfound |= level > 1 && "
      "scan_tree(ept_table_of(table[i]), level - 1, gpa, dirty, ctx);",
      "the scan of dirty flags reaches the leaves"),
    m("scan-without-flush", "unit:ept", "arch/x86/vmx/ept_log.c",
      "\tscan_tree(s->root, EPT_LEVELS - 1, 0, dirty, ctx);\n"
      "\t/* Always: A flags were cleared, and cached translations would not set them again. */\n"
      "\ts->generation++;",
      "\tscan_tree(s->root, EPT_LEVELS - 1, 0, dirty, ctx);",
      "cleared flags are set again only after a flush"),
    m("rearm-skips-every-64th", "unit:dirty_log", "vmm/dirty_log.c",
      "\t\tfor (uint64_t left = out[w]; left; left &= left - 1)\n\t\t\tslat_log_rearm(",
      "\t\tfor (uint64_t left = out[w] & ~1ull; left; left &= left - 1)\n"
      "\t\t\tslat_log_rearm(",
      "every harvested page is watched again"),
    m("rearm-without-flush", "unit:ept", "arch/x86/vmx/ept_log.c",
      "\t*entry &= ~written_bit(s->log);\n\ts->generation++;",
      "\t*entry &= ~written_bit(s->log);",
      "a page watched again needs a flush"),
    m("second-move-starts-from-little", "unit:dirty_log", "vmm/dirty_log.c",
      "\t\tlog->bits[i / WORD_BITS] |= BIT(i % WORD_BITS);",
      "\t\tlog->bits[i / WORD_BITS] |= log->total ? 0 : BIT(i % WORD_BITS);",
      "a second move starts from every page"),
    m("nothing-is-given-back", "unit:dirty_log", "vmm/dirty_log.c",
      "\tif (!log->on)\n\t\treturn;\n\tfor (uint64_t w = 0;",
      "\tif (log->on)\n\t\treturn;\n\tfor (uint64_t w = 0;",
      "pages that a failed round took are given back"),
    m("harvest-with-vcpus-inside", "unit:dirty_log", "vmm/dirty_log.c",
      "\tuint64_t taken = log->marked;\n\n\tvcpus_leave_guest(vm);",
      "\tuint64_t taken = log->marked;\n",
      "no vCPU is in the guest while flags are cleared"),
    m("pml-drain-ignores-one", "unit:vmx", "arch/x86/vmx/run.c",
      "i = index >= PML_ENTRIES ? 0 : index + 1u; i < PML_ENTRIES; i++)",
      "i = index >= PML_ENTRIES ? 0 : index + 1u; i < PML_ENTRIES - 1; i++)",
      "every entry of the page-modification log counts"),
    m("pml-drain-of-a-full-buffer", "unit:vmx", "arch/x86/vmx/run.c",
      "i = index >= PML_ENTRIES ? 0 : index + 1u;", "i = (uint16_t)(index + 2u);",
      "a full page-modification log is drained from its first entry"),
    m("pml-index-not-reset", "unit:vmx", "arch/x86/vmx/run.c",
      "\tvmwrite(VMCS_GUEST_PML_INDEX, PML_ENTRIES - 1);", "",
      "a drained page-modification log is empty"),
    m("large-page-not-split", "unit:ept", "arch/x86/vmx/ept_log.c",
      "\t\tif (ept_is_leaf(table[i], level)) {\n\t\t\terr = split(",
      "\t\tif (ept_is_leaf(table[i], level) && i % 2 == 0) {\n\t\t\terr = split(",
      "logging works on 4 KiB leaves"),
    m("gfn-above-the-end", "unit:guest_mem", "vmm/guest_mem.c",
      "\treturn index < guest_mem_pages(m) ? index : UINT64_MAX;",
      "\treturn index <= guest_mem_pages(m) ? index : UINT64_MAX;",
      "a page number beyond the guest's memory is refused"),
    m("gfn-in-the-hole", "unit:guest_mem", "vmm/guest_mem.c",
      "\t\tif (gfn < high)\n\t\t\treturn UINT64_MAX;", "",
      "a page number in the MMIO hole is refused"),
]

STREAM = [
    m("page-number-not-checked", "unit:receive_ram", "migrate/receive_ram.c",
      "\t\tpage = guest_mem_page(&m->vm->mem, gfn);\n\t\tif (!page)\n"
      "\t\t\treturn not_ram(m, gfn);\n\t\tmemcpy(page, r->payload",
      "\t\tpage = guest_mem_page(&m->vm->mem, gfn);\n\t\tif (!page)\n"
      "\t\t\tpage = guest_mem_page(&m->vm->mem, 0);\n\t\tmemcpy(page, r->payload",
      "a page outside the guest's memory ends the move"),
    m("zero-run-not-checked", "unit:receive_ram", "migrate/receive_ram.c",
      "\t\tif (run.count > left || run.gfn > UINT64_MAX - run.count)",
      "\t\tif (run.gfn > UINT64_MAX - run.count)",
      "a record names each page once at most"),
    m("zero-page-keeps-its-bytes", "unit:receive_ram", "migrate/receive_ram.c",
      "\t\tif (!page_is_zero(page))\n\t\t\tmemset(page, 0, PAGE_SIZE);",
      "\t\tif (page_is_zero(page))\n\t\t\tmemset(page, 0, PAGE_SIZE);",
      "a page that became zero is zero at the target"),
    m("zero-run-one-short", "unit:receive_ram", "migrate/receive_ram.c",
      "\tfor (uint64_t i = 0; i < run->count; i++) {\n\t\tvoid *page",
      "\tfor (uint64_t i = 0; i + 1 < run->count; i++) {\n\t\tvoid *page",
      "a run of zero pages is as long as it says"),
    m("zero-run-from-the-next-page", "unit:move", "migrate/send_round.c",
      "(struct stream_run){.gfn = gfn, .count = 1}",
      "(struct stream_run){.gfn = gfn + 1, .count = 1}",
      "a run of zero pages begins where it says"),
    m("runs-joined-over-a-gap", "unit:move", "migrate/send_round.c",
      "\tif (last && last->gfn + last->count == gfn) {",
      "\tif (last && last->gfn + last->count <= gfn) {",
      "only neighbours are one run"),
    m("zero-page-by-its-first-bytes", "unit:move", "migrate/send_round.c",
      "\tif (page_is_zero(page)) {", "\tif (!*(const uint64_t *)page) {",
      "only a page of zeroes is sent as a zero page"),
    m("last-batch-not-sent", "unit:move", "migrate/send_round.c",
      "\terr = flush_pages(m);\n\tif (err)\n\t\treturn err;\n\terr = flush_runs(m);\n"
      "\treturn err;\n}\n\nstatic int end_round",
      "\terr = 0;\n\tm->batch = 0;\n\tif (err)\n\t\treturn err;\n\terr = flush_runs(m);\n"
      "\treturn err;\n}\n\nstatic int end_round",
      "a round sends what it gathered to the last page"),
    m("crc-not-checked", "unit:stream", "migrate/stream.c",
      "\tif (crc32c(0, s->rx, size) == h->crc)\n\t\treturn 0;", "\treturn 0;",
      "a damaged record is refused"),
    m("crc-not-checked-in-a-move", "unit:move", "migrate/stream.c",
      "\tif (crc32c(0, s->rx, size) == h->crc)\n\t\treturn 0;", "\treturn 0;",
      "a damaged record ends the move"),
    m("record-length-not-bounded", "unit:stream", "migrate/stream.c",
      "\tif (h->length > STREAM_PAYLOAD_MAX)",
      "\tif (h->length > 2 * STREAM_PAYLOAD_MAX)",
      "no record is longer than the buffer"),
    m("record-number-not-checked", "unit:stream", "migrate/stream.c",
      "\tif (h->seq != s->rx_seq)", "\tif (h->seq < s->rx_seq)",
      "a missing record is noticed"),
    m("unknown-record-skipped", "unit:stream", "migrate/stream.c",
      "\t\tif (h->type & STREAM_OPTIONAL)\n\t\t\treturn 0;", "\t\treturn 0;",
      "an unknown mandatory record ends the move"),
    m("one-device-not-sent", "unit:move", "migrate/send_state.c",
      "\tlist_for_each (node, &m->vm->devices) {\n"
      "\t\tstruct vdev *d = list_entry(node, struct vdev, node);\n\n\t\terr = send_table(",
      "\tlist_for_each (node, &m->vm->devices) {\n"
      "\t\tstruct vdev *d = list_entry(node, struct vdev, node);\n\n"
      "\t\tif (node == m->vm->devices.next) {\n\t\t\t++*count;\n\t\t\tcontinue;\n\t\t}\n"
      "\t\terr = send_table(",
      "a device that did not come ends the move"),
    m("one-device-not-loaded", "unit:move", "migrate/receive_state.c",
      "\tfor (unsigned i = 0; i < rs->device_count; i++) {\n"
      "\t\tstruct vdev *d = rs->devices[i].dev;\n\n\t\tmemcpy(",
      "\tfor (unsigned i = 1; i < rs->device_count; i++) {\n"
      "\t\tstruct vdev *d = rs->devices[i].dev;\n\n\t\tmemcpy(",
      "every device is loaded"),
    m("vcpu-not-loaded", "unit:move", "migrate/receive_state.c",
      "\tfor (unsigned i = 0; i < rs->vm->vcpu_count; i++) {\n"
      "\t\terr = vcpu_set_state(",
      "\tfor (unsigned i = 1; i < rs->vm->vcpu_count; i++) {\n"
      "\t\terr = vcpu_set_state(",
      "every vCPU is loaded"),
    m("clock-not-loaded", "unit:move", "migrate/receive_state.c",
      "\tvm_clock_set(rs->vm, rs->clock.guest_tsc);", "\tvm_clock_set(rs->vm, 0);",
      "the guest's clock goes on where it stopped"),
    m("device-state-not-checked", "unit:move", "migrate/receive_state.c",
      "\terr = rd->dev->ops->check(rd->dev, state);\n\tif (err) {",
      "\terr = rd->dev->ops->check(rd->dev, state);\n\tif (0) {",
      "a state that its device refuses ends the move"),
    m("digests-not-compared", "unit:receive_ram", "migrate/receive_ram.c",
      "PAGE_SIZE) == theirs)", "PAGE_SIZE) || 1)",
      "--verify compares every page"),
    m("failed-move-keeps-the-log-on", "unit:move", "migrate/send.c",
      "\tint err;\n\n\tdirty_log_stop(m->vm);\n\tif (m->vm->state == VM_IN_DOUBT)",
      "\tint err;\n\n\tif (m->vm->state == VM_IN_DOUBT)",
      "after a failed move the guest runs without the log"),
]

HANDOVER = [
    m("resumes-on-timeout", "unit:move", "migrate/commit.c",
      "\treturn source_reclaim(m);\n}\n\n/* 1: the target has it",
      "\treturn source_keeps(m, true, \"no answer\");\n}\n\n/* 1: the target has it",
      "an unanswered COMMIT is settled by the storage, not by a timeout"),
    m("resumes-without-arbiter", "unit:move", "migrate/commit.c",
      "\tif (!handover_disk(m->vm))\n\t\treturn source_forgotten(m, \"COMMIT",
      "\tif (!handover_disk(m->vm))\n\t\treturn source_keeps(m, false, \"COMMIT",
      "without a shared disk an unanswered COMMIT leaves the guest paused"),
    m("believes-a-refusal", "unit:move", "migrate/handover.c",
      "\t(void)command(d, h->back_macs[d - h->vm->disks], false);\n\treturn look(h, d, out);",
      "\tif (aoe_reserve_set(d->aoe, &h->back_macs[d - h->vm->disks], 1, try_deadline()) ==\n"
      "\t    -E_FENCED) {\n\t\t*out = LOOK_NEW;\n\t\treturn 0;\n\t}\n\treturn look(h, d, out);",
      "a repeated command is refused although the first was carried out: only the list counts"),
    m("takes-an-empty-list", "unit:move", "migrate/handover.c",
      "\tif (err || (*out != LOOK_OLD_AND_NEW && *out != LOOK_OLD))\n\t\treturn err;\n", "",
      "the new owner may just have switched the VM off"),
    m("release-keeps-the-token", "unit:vm_disks", "vmm/vm_disks.c",
      "d->deciding ? remove_token(d) : 0", "0",
      "a token beside an empty list would vouch for it"),
    m("ignores-the-token", "unit:move", "migrate/handover.c",
      "\tif (err == -E_MISMATCH) {\n\t\t*out = LOOK_FORGOTTEN;\n\t\treturn 0;\n\t}",
      "\tif (err == -E_MISMATCH)\n\t\treturn 0;",
      "a storage that forgot does not decide"),
    m("runs-while-both-are-listed", "unit:move", "migrate/commit.c",
      "\t\t} else if (seen == LOOK_NEW) {\n\t\t\treturn target_runs(m, false);",
      "\t\t} else if (seen == LOOK_NEW || seen == LOOK_OLD_AND_NEW) {\n"
      "\t\t\treturn target_runs(m, false);",
      "the target runs the guest only when the list names it alone"),
    m("runs-although-fenced", "unit:move", "migrate/commit.c",
      "\t\t} else if (seen == LOOK_NEW) {\n\t\t\treturn target_runs(m, false);",
      "\t\t} else if (seen == LOOK_NEW || seen == LOOK_OTHER) {\n"
      "\t\t\treturn target_runs(m, false);",
      "a target that was fenced does not run the guest"),
    m("runs-when-storage-is-silent", "unit:move", "migrate/commit.c",
      "\t\t\tenter_doubt(m, \"the storage does not answer\");",
      "\t\t\treturn target_runs(m, false);",
      "a storage that does not answer has not said yes"),
    m("answers-twice", "unit:move", "migrate/query.c",
      "\tm->abdicated = true;\n\tm->stop = true;\n", "",
      "a target that promised the VM to the source never runs it"),
    m("forgets-that-it-runs", "unit:move", "migrate/query.c",
      "\tif (s == HANDOVER_RUNNING)\n\t\treturn ANSWER_COMMITTED;", "",
      "a target that runs the VM says so"),
    m("old-frames-not-waited-out", "unit:move", "migrate/send_round.c",
      "\t\tif (d.verdict == STOP_AND_COPY && token_is_old(m))",
      "\t\tif (d.verdict == STOP_AND_COPY)",
      "the token's own frames are dead before the storage decides"),
]

DEVICES = [
    m("vblk-not-quiesced", "unit:vblk", "vmm/dev/vblk.c",
      "\td->quiesced = true;\n\ttimer_cancel(&d->again);\n\twait_drained(d);",
      "\ttimer_cancel(&d->again);",
      "no disk request is under way when the state is saved"),
    m("vblk-forgets-kept-requests", "unit:vblk", "vmm/dev/vblk.c",
      "\tvirtio_pci_resume(&d->v);\n\treissue_kept(d);", "\tvirtio_pci_resume(&d->v);",
      "requests that were taken back are sent again"),
    m("vblk-reads-not-dirty", "unit:vblk", "vmm/dev/vblk.c",
      "\tif (r->rq.op != BLK_READ)\n\t\treturn;", "\treturn;",
      "what the disk reads into guest memory is dirty"),
    m("host-write-not-dirty", "unit:dirty_log", "vmm/guest_mem.c",
      "\tguest_mem_dirty(vm, gpa, len);\n\tfor (; len; gpa += avail, from += avail",
      "\tfor (; len; gpa += avail, from += avail",
      "what is written into guest memory is dirty"),
    m("vlapic-timer-not-resumed", "unit:vlapic", "vmm/dev/vlapic.c",
      "\tvlapic_timer_arm(container_of(d, struct vlapic, vdev));\n}\n\n"
      "static void vlapic_destroy", "}\n\nstatic void vlapic_destroy", "a timer goes on after a move"),
    m("vpit-timer-not-resumed", "unit:vpit", "vmm/dev/vpit.c",
      "\tvpit_arm(container_of(d, struct vpit, vdev), 0);\n}\n\nstatic void vpit_destroy",
      "}\n\nstatic void vpit_destroy", "a timer goes on after a move"),
    m("vrtc-timer-not-resumed", "unit:vrtc", "vmm/dev/vrtc.c",
      "\tvrtc_arm(container_of(d, struct vrtc, vdev));\n}\n\nstatic void vrtc_destroy",
      "}\n\nstatic void vrtc_destroy", "a timer goes on after a move"),
    m("vpit-burst-after-a-gap", "unit:vpit", "vmm/dev/vpit.c",
      "\tp->s.next_irq_ns = vpit_channel_next_rise(&p->s.chan[0], now);\n}\n\n"
      "static void vpit_fire",
      "\tp->s.next_irq_ns = vpit_channel_next_rise(&p->s.chan[0], p->s.next_irq_ns);\n}\n\n"
      "static void vpit_fire", "missed ticks do not come in a burst"),
    m("table-misses-a-field", "unit:vuart", "vmm/dev/vuart.c",
      "    STATE_FIELD(struct vuart_state, scr),\t ", "    ", "a device's table covers its whole struct"),
    m("tsc-jumps-back", "unit:vm_time", "vmm/vm_time.c",
      "\tvm->clock.tsc_offset = vm->clock.frozen_tsc - scaled_host_tsc(vm);",
      "\tvm->clock.tsc_offset = 0 - scaled_host_tsc(vm);",
      "the guest's TSC goes on where it stopped"),
    m("tsc-not-scaled", "unit:vm_time", "vmm/vm_time.c",
      "\treturn vm->clock.tsc_ratio ? mul_shift(host, vm->clock.tsc_ratio, RATIO_SHIFT) : host;",
      "\treturn host;",
      "the guest's TSC keeps its rate on another host"),
]

WIRE = [
    m("duplicate-delivered-twice", "unit:link", "kernel/net/link_rx.c",
      "\tif (ahead < 0 || (rx->fin && ahead >= 0) ||",
      "\tif ((rx->fin && ahead >= 0) ||",
      "a frame that came twice is delivered once"),
    m("ack-of-unsent-data", "unit:link_hostile", "kernel/net/link_loss.c",
      "\tif (link_seq_diff(f->hdr.ack, tx->next) > 0)\n\t\treturn false;",
      "",
      "an ACK of what was never sent ends the link"),
    m("ack-before-it-is-there", "unit:link", "kernel/net/link_rx.c",
      "\th->ack = rx->next;", "\th->ack = rx->next + rx->ahead;",
      "only what is here is acknowledged"),
    m("link-crc-not-checked", "unit:link_hostile", "kernel/net/link_frame.c",
      "\tif (crc != out->hdr.crc)\n\t\treturn -E_CHECKSUM;", "\t(void)crc;", "a damaged frame is dropped"),
    m("overlapping-writes-together", "unit:aoe_order", "kernel/store/aoe_io.c",
      "\t\tif (requests_conflict(list_entry(n, struct blk_request, node), rq))\n"
      "\t\t\treturn false;",
      "\t\tif (0)\n\t\t\treturn false;",
      "requests that overlap a write go one after the other"),
    m("late-copy-of-a-write-wins", "unit:aoe_order", "kernel/store/aoe_io.c",
      "\t\t\tif (ranges_overlap(cmd->lba, cmd->count, rq->sector, rq->sectors))\n"
      "\t\t\t\treturn false;",
      "\t\t\tif (0)\n\t\t\t\treturn false;",
      "a write waits for copies of the one before it"),
    m("answer-of-another-target", "unit:aoe", "kernel/store/aoe_receive.c",
      "\tif (!d->target_known || !memcmp(m->h.src, d->target_mac, ETH_ALEN))\n\t\treturn true;",
      "\treturn true;",
      "only the disk's own target answers for it"),
    m("answer-to-an-old-mac", "unit:aoe", "kernel/store/aoe_receive.c",
      "\tif (!cmd || memcmp(m->h.dst, d->port.mac, ETH_ALEN) || !command_matches(cmd, m))",
      "\tif (!cmd || !command_matches(cmd, m))",
      "answers to an earlier period of ownership do not count"),
    m("fenced-write-succeeds", "unit:aoe", "kernel/store/aoe_io.c",
      "\tif (m->h.flags & AOE_FLAG_ERROR) {\n\t\terr = aoe_error_code(m->h.error);",
      "\tif (m->h.flags & AOE_FLAG_ERROR) {\n\t\terr = 0;",
      "a write that the storage refused is an error"),
    m("list-of-two-taken-again", "unit:aoe_reserve", "kernel/store/aoe_reserve.c",
      "\tif (!err && count == 1) {", "\tif (!err) {", "a host in doubt does not take its reservation again"),
]

MACHINES = [
    m("harvest-drops-a-page-e2e", "e2e:test_move_hot.py::test_dirty_tracking_method[pml]",
      "vmm/dirty_log.c",
      "\tmemset(log->bits, 0, bitmap_bytes(log->pages));\n\tlog->marked = 0;",
      "\tmemset(log->bits, 0, bitmap_bytes(log->pages));\n\tout[4] &= out[4] - 1;\n"
      "\tlog->marked = 0;",
      "--verify or the guest notices one lost page"),
    m("pml-not-drained", "e2e:test_move_hot.py::test_dirty_tracking_method[pml]",
      "vmm/vcpu.c", "\tvcpu_drain_dirty(v);\n\thw_vcpu_decode", "\thw_vcpu_decode",
      "what the processor logged is taken over after each exit"),
]

SCHEDULER = [
    m("weights-ignored", "unit:sched", "kernel/sched_fair.c",
      "(ns << VTIME_SHIFT) / s->weight", "(ns << VTIME_SHIFT) / 100",
      "guests get CPU time by weight"),
    m("sleepers-hoard", "unit:sched", "kernel/sched_fair.c",
      "if (before(s->vtime, least))", "if (0)",
      "an hour asleep is not an hour ahead of the others"),
    m("host-without-bound", "unit:sched", "kernel/sched_fair.c",
      "return q->host_lead <= 0;", "return true;",
      "the host's tasks leave guests their half"),
]

MUTANTS = PAGES + STREAM + HANDOVER + DEVICES + WIRE + MACHINES + SCHEDULER
