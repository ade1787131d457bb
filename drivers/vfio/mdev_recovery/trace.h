/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of mdev_recovery: every transition of a group, every wait at a
 * gate, every drain, every attempt to restore a function.
 *
 * Names are strings in the ring, so that any tool can print them and filter by them.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mdev_recovery

#if !defined(MDR_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MDR_TRACE_H

#include <linux/pci.h>
#include <linux/tracepoint.h>

#include "group.h"

TRACE_EVENT(mdr_state,
	TP_PROTO(struct mdr_group *group, enum mdr_state from,
		 enum mdr_event event),
	TP_ARGS(group, from, event),
	TP_STRUCT__entry(
		__string(group, dev_name(&group->dev))
		__field(u64, id)
		__string(from, mdr_state_name(from))
		__string(event, mdr_event_name(event))
		__string(to, mdr_state_name(group->machine.state))
	),
	TP_fast_assign(
		__assign_str(group);
		__entry->id = group->event;
		__assign_str(from);
		__assign_str(event);
		__assign_str(to);
	),
	TP_printk("%s id=%llu %s --%s--> %s", __get_str(group), __entry->id,
		  __get_str(from), __get_str(event), __get_str(to))
);

TRACE_EVENT(mdr_stall,
	TP_PROTO(struct mdr_group *group, u64 ns, int result),
	TP_ARGS(group, ns, result),
	TP_STRUCT__entry(
		__string(group, dev_name(&group->dev))
		__field(u64, ns)
		__field(int, result)
	),
	TP_fast_assign(
		__assign_str(group);
		__entry->ns = ns;
		__entry->result = result;
	),
	TP_printk("%s ns=%llu result=%d", __get_str(group), __entry->ns,
		  __entry->result)
);

TRACE_EVENT(mdr_drain,
	TP_PROTO(struct mdr_group *group, u64 ns, bool drained),
	TP_ARGS(group, ns, drained),
	TP_STRUCT__entry(
		__string(group, dev_name(&group->dev))
		__field(u64, ns)
		__field(bool, drained)
	),
	TP_fast_assign(
		__assign_str(group);
		__entry->ns = ns;
		__entry->drained = drained;
	),
	TP_printk("%s ns=%llu drained=%d", __get_str(group), __entry->ns,
		  __entry->drained)
);

TRACE_EVENT(mdr_restore,
	TP_PROTO(struct mdr_group *group, struct pci_dev *pdev, u64 ns,
		 int result),
	TP_ARGS(group, pdev, ns, result),
	TP_STRUCT__entry(
		__string(group, dev_name(&group->dev))
		__string(function, pci_name(pdev))
		__field(u64, ns)
		__field(int, result)
	),
	TP_fast_assign(
		__assign_str(group);
		__assign_str(function);
		__entry->ns = ns;
		__entry->result = result;
	),
	TP_printk("%s %s ns=%llu result=%d", __get_str(group),
		  __get_str(function), __entry->ns, __entry->result)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
