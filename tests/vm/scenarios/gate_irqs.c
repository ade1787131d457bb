// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user's hold on interrupts, at a closed gate: SET_IRQS, and the eventfd that unmasks
 * INTx. Both change INTx Disable in COMMAND, which can be seen from outside.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "monitor.h"
#include "nic_user.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "slow.h"
#include "strike.h"
#include "sysfs.h"
#include "task.h"
#include "vfio_irq.h"

#define PORT "rp_e1000e"
/* a function that is alone on its bus can be reset from outside */
#define ALONE_PORT "sw_c"
#define INTX_OFF 0x400
#define STALL_MS 400
#define SLOW_MS 1500
#define IRQ_MS 2000
#define STAY_MS 200
#define OPEN_MS 10000
#define RESET_MS 3000

static struct vfio_user user;
static struct shim shim;
static struct nic_user nic;

/* One SET_IRQS that masks INTx, in a thread of its own. */
static struct {
	pthread_t thread;
	atomic_int task;
	atomic_bool done;
	int ret;
} masking;

static void *mask_run(void *arg)
{
	(void)arg;
	atomic_store(&masking.task, (int)syscall(SYS_gettid));
	masking.ret = vfio_irq_mask_intx(&user);
	atomic_store(&masking.done, true);
	return NULL;
}

static bool intx_is_off(void)
{
	return pci_command(shim.addr) & INTX_OFF;
}

static void make_on(const char *port, const char *policy, const char *stall_ms)
{
	char addr[PCI_ADDR_LEN];

	REQUIRE_OK(shim_make(&shim, port, 0, policy));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", stall_ms));
	if (!pci_below(port, 1, addr))
		REQUIRE_OK(pci_bind(addr, "mdr-pci"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
}

static void use_on(const char *port, const char *policy, const char *stall_ms)
{
	make_on(port, policy, stall_ms);
	REQUIRE_OK(nic_user_start(&nic, &user, NIC_E1000E, VFIO_PCI_INTX_IRQ_INDEX));
	REQUIRE(!intx_is_off(), "INTx is off from the start");
}

static void use(const char *policy, const char *stall_ms)
{
	use_on(PORT, policy, stall_ms);
}

/* The user is at the gate, with its device untouched, until it opens. */
static void mask_waits(void)
{
	REQUIRE(!pthread_create(&masking.thread, NULL, mask_run, NULL), "no thread");
	REQUIRE(WAIT_FOR(atomic_load(&masking.task), IRQ_MS), "no thread");
	CHECK(task_at_gate(atomic_load(&masking.task), IRQ_MS), "it is not at the gate");
	CHECK(!atomic_load(&masking.done), "it has ended: %d", masking.ret);
}

static void mask_passes(void)
{
	REQUIRE(WAIT_FOR(atomic_load(&masking.done), IRQ_MS), "it does not end");
	CHECK_OK(masking.ret);
	CHECK(intx_is_off(), "the open device was not reached: COMMAND is %#x",
	      pci_command(shim.addr));
	nic_user_stop(&nic);
}

SCENARIO(gate_irqs_dead,
	 "past the stall timeout SET_IRQS gives EIO, and does not touch the held device")
{
	uint64_t start, took;
	int ret;

	use("hold", "400");
	start = now_ns();
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	CHECK(!intx_is_off(), "INTx is off after the recovery");
	ret = vfio_irq_mask_intx(&user);
	took = (now_ns() - start) / NS_PER_MS;
	CHECK(ret == -EIO, "SET_IRQS gives %d", ret);
	CHECK(took >= STALL_MS, "it waited %ju ms", took);
	CHECK(!intx_is_off(), "the held device was reached: COMMAND is %#x",
	      pci_command(shim.addr));
	MEASURE_BOUND("waited_ms", took, STALL_MS + SLOW_MS);
	nic_user_stop(&nic);
}

SCENARIO(gate_irqs_held, "SET_IRQS waits with a held device untouched, and is made afterwards")
{
	use("hold", "30000");
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	mask_waits();
	sleep_ms(STAY_MS);
	CHECK(!intx_is_off(), "the held device was reached: COMMAND is %#x",
	      pci_command(shim.addr));
	REQUIRE_OK(vfio_user_reset(&user));
	mask_passes();
}

static int turn_off(const char *name)
{
	(void)name;
	return vfio_irq_disable(&user, VFIO_PCI_MSIX_IRQ_INDEX);
}

SCENARIO(gate_irqs_turned_off_failed,
	 "a user who turns its interrupts off in a recovery does not wait past its failure")
{
	struct background off = { .call = turn_off };
	uint64_t failed_at;

	REQUIRE_OK(shim_bind_test(&shim, ALONE_PORT, 0));
	REQUIRE_OK(shim_create(&shim, "hold"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "30000"));
	REQUIRE_OK(shim_set(&shim, "recovery_timeout_ms", "1500"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(nic_user_start(&nic, &user, NIC_E1000E, VFIO_PCI_MSIX_IRQ_INDEX));
	REQUIRE_OK(shim_test_set("unhealthy", "1"));
	REQUIRE_OK(strike(&shim, ALONE_PORT, "DLP", "recovering"));
	background_start(&off);
	REQUIRE(WAIT_FOR(atomic_load(&off.task), IRQ_MS), "no thread");
	sleep_ms(STAY_MS);
	REQUIRE(!atomic_load(&off.done), "it does not wait: %d", off.ret);
	REQUIRE(shim_wait(shim.group, "failed", OPEN_MS), "not failed");
	failed_at = now_ms();
	REQUIRE(WAIT_FOR(atomic_load(&off.done), OPEN_MS), "it waits on");
	CHECK(off.ret == -EIO, "SET_IRQS gives %d", off.ret);
	MEASURE_BOUND("waited_on_ms", now_ms() - failed_at, RESET_MS);
	REQUIRE_OK(shim_test_set("unhealthy", "0"));
}

SCENARIO(gate_irqs_turned_off,
	 "a user takes MSI-X from a held device, resets it, and has INTx; without a wait")
{
	uint64_t start, took;

	make_on(PORT, "hold", "30000");
	REQUIRE_OK(nic_user_start(&nic, &user, NIC_E1000E, VFIO_PCI_MSIX_IRQ_INDEX));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	start = now_ns();
	CHECK_OK(vfio_irq_disable(&user, VFIO_PCI_MSIX_IRQ_INDEX));
	took = (now_ns() - start) / NS_PER_MS;
	CHECK(shim_is(shim.group, "holding"), "group is not holding any more");
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(shim_wait(shim.group, "open", OPEN_MS), "group is not open");
	nic_user_stop(&nic);
	REQUIRE_OK(nic_user_start(&nic, &user, NIC_E1000E, VFIO_PCI_INTX_IRQ_INDEX));
	CHECK_OK(nic_user_interrupt(&nic, IRQ_MS));
	nic_user_stop(&nic);
	MEASURE_BOUND("took_ms", took, IRQ_MS);
}

SCENARIO(gate_irqs_turned_off_early,
	 "a user takes MSI-X away while the host recovers: it waits until the device is held")
{
	uint64_t start, took;

	make_on(PORT, "hold", "8000");
	REQUIRE_OK(nic_user_start(&nic, &user, NIC_E1000E, VFIO_PCI_MSIX_IRQ_INDEX));
	REQUIRE_OK(slow_function(shim.addr, "ones", 1000));
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	REQUIRE(WAIT_FOR(!shim_is(shim.group, "open"), IRQ_MS), "no error seen");
	CHECK(!shim_is(shim.group, "holding"), "the device was faster: nothing is shown");
	start = now_ns();
	CHECK_OK(vfio_irq_disable(&user, VFIO_PCI_MSIX_IRQ_INDEX));
	took = (now_ns() - start) / NS_PER_MS;
	CHECK(shim_is(shim.group, "holding"), "group is not holding");
	REQUIRE_OK(slow_end());
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(shim_wait(shim.group, "open", OPEN_MS), "group is not open");
	nic_user_stop(&nic);
	MEASURE_BOUND("took_ms", took, 1000 + SLOW_MS);
}

SCENARIO(gate_irqs_slow, "SET_IRQS waits as long as the host waits for a slow device")
{
	use("resume", "30000");
	REQUIRE_OK(slow_function(shim.addr, "ones", 1000));
	REQUIRE_OK(aer_inject(PORT, "DLP"));
	REQUIRE(WAIT_FOR(!shim_is(shim.group, "open"), IRQ_MS), "no error seen");
	mask_waits();
	CHECK(!shim_is(shim.group, "open"), "the device was faster: nothing is shown");
	CHECK(shim_wait(shim.group, "open", OPEN_MS), "group is not open");
	mask_passes();
}

/* INTx has fired, so that the kernel has masked it; the line is down again. */
static int fired_and_unmask(void)
{
	int unmask = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	REQUIRE(unmask >= 0, "no eventfd");
	REQUIRE_OK(vfio_irq_unmask_intx_by(&user, unmask));
	REQUIRE_OK(nic_user_interrupt(&nic, IRQ_MS));
	REQUIRE(intx_is_off(), "INTx is not masked");
	return unmask;
}

/* The user has unmasked it while the gate was closed: this is not lost. */
static void check_unmasked(void)
{
	CHECK(WAIT_FOR(!intx_is_off(), IRQ_MS), "the unmasking is lost: COMMAND is %#x",
	      pci_command(shim.addr));
}

SCENARIO(gate_irqs_eventfd,
	 "an eventfd that unmasks INTx does not reach a held device, and is not lost")
{
	int unmask;

	use("hold", "30000");
	unmask = fired_and_unmask();
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	CHECK(intx_is_off(), "INTx is on after the recovery");
	CHECK(!eventfd_write(unmask, 1), "errno %d", errno);
	sleep_ms(STAY_MS);
	CHECK(intx_is_off(), "the held device was reached: COMMAND is %#x",
	      pci_command(shim.addr));
	REQUIRE_OK(vfio_user_reset(&user));
	check_unmasked();
	CHECK_OK(nic_user_interrupt(&nic, IRQ_MS));
	nic_user_stop(&nic);
}

SCENARIO(gate_irqs_eventfd_outside,
	 "an eventfd that unmasks INTx in the middle of a reset from outside is not lost")
{
	struct background reset = { .call = pci_reset };
	int unmask;

	use_on(ALONE_PORT, "resume", "30000");
	unmask = fired_and_unmask();
	REQUIRE_OK(slow_function(shim.addr, "ones", 1000));
	reset.name = shim.addr;
	background_start(&reset);
	REQUIRE(WAIT_FOR(!shim_is(shim.group, "open"), RESET_MS), "no reset");
	CHECK(!eventfd_write(unmask, 1), "errno %d", errno);
	CHECK(!shim_is(shim.group, "open"), "the reset was faster: nothing is shown");
	background_ms(&reset, OPEN_MS);
	CHECK_OK(reset.ret);
	CHECK(shim_wait(shim.group, "open", OPEN_MS), "group is not open");
	check_unmasked();
	CHECK_OK(nic_user_interrupt(&nic, IRQ_MS));
	nic_user_stop(&nic);
}

static int reset_it(const char *name)
{
	(void)name;
	return vfio_user_reset(&user);
}

SCENARIO(gate_irqs_eventfd_reset,
	 "an eventfd that unmasks INTx in the middle of its user's own reset is not lost")
{
	struct background reset = { .call = reset_it };
	int unmask;

	use_on(ALONE_PORT, "resume", "30000");
	unmask = fired_and_unmask();
	/* after a reset of the bus the kernel waits for 0.1 s */
	REQUIRE_OK(sysfs_write("bus", "/sys/bus/pci/devices/%s/reset_method", shim.addr));
	background_start(&reset);
	/* the device is blank, and answers: what is written to it now is lost */
	REQUIRE(background_in(&reset, "pci_bridge_wait_for_secondary_bus", RESET_MS), "no reset");
	CHECK(!eventfd_write(unmask, 1), "errno %d", errno);
	CHECK(!atomic_load(&reset.done), "the reset was faster: nothing is shown");
	background_ms(&reset, OPEN_MS);
	CHECK_OK(reset.ret);
	CHECK(shim_is(shim.group, "open"), "group is not open");
	check_unmasked();
	CHECK_OK(nic_user_interrupt(&nic, IRQ_MS));
	nic_user_stop(&nic);
}

SCENARIO(gate_irqs_eventfd_gone,
	 "INTx works after a recovery when its user has closed the eventfd that unmasks it")
{
	int unmask;

	use("resume", "30000");
	unmask = fired_and_unmask();
	close(unmask);
	REQUIRE_OK(vfio_irq_unmask_intx(&user));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "open"));
	/* nobody would unmask it: no interrupt tells the user to */
	CHECK(!intx_is_off(), "INTx is off after the recovery: COMMAND is %#x",
	      pci_command(shim.addr));
	CHECK_OK(nic_user_interrupt(&nic, IRQ_MS));
	/* vfio-pci-core takes another one, and so does the gate */
	unmask = fired_and_unmask();
	CHECK(!eventfd_write(unmask, 1), "errno %d", errno);
	CHECK(WAIT_FOR(!intx_is_off(), IRQ_MS), "the second one does nothing");
	nic_user_stop(&nic);
}

SCENARIO(gate_irqs_eventfd_closed,
	 "INTx works after a hold in which its user has closed the eventfd that unmasks it")
{
	int unmask = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	use("hold", "30000");
	REQUIRE(unmask >= 0, "no eventfd");
	REQUIRE_OK(vfio_irq_unmask_intx_by(&user, unmask));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "holding"));
	close(unmask);
	REQUIRE_OK(vfio_user_reset(&user));
	CHECK(shim_wait(shim.group, "open", OPEN_MS), "group is not open");
	CHECK(!intx_is_off(), "INTx is off after the reset: COMMAND is %#x",
	      pci_command(shim.addr));
	CHECK_OK(nic_user_raise(&nic, IRQ_MS));
	nic_user_stop(&nic);
}

SCENARIO(gate_irqs_eventfd_closed_early,
	 "INTx that was masked works after a recovery in which its user has closed that eventfd")
{
	int unmask;

	use("resume", "30000");
	unmask = fired_and_unmask();
	/* long enough to close it before the shim brings INTx in line */
	REQUIRE_OK(slow_function(shim.addr, "ones", 1000));
	REQUIRE_OK(strike(&shim, PORT, "DLP", "recovering"));
	close(unmask);
	CHECK(shim_wait(shim.group, "open", OPEN_MS), "group is not open");
	CHECK(!intx_is_off(), "INTx is off after the recovery: COMMAND is %#x",
	      pci_command(shim.addr));
	CHECK_OK(nic_user_raise(&nic, IRQ_MS));
	nic_user_stop(&nic);
}

SCENARIO(gate_irqs_eventfd_disabled,
	 "an eventfd that has unmasked INTx is its user's own again once INTx is turned off")
{
	eventfd_t value = 0;
	int unmask;

	use("resume", "30000");
	unmask = fired_and_unmask();
	REQUIRE_OK(vfio_irq_disable(&user, VFIO_PCI_INTX_IRQ_INDEX));
	REQUIRE(!eventfd_write(unmask, 1), "errno %d", errno);
	CHECK(!eventfd_read(unmask, &value), "what was written is swallowed: errno %d", errno);
	CHECK(value == 1, "%ju were read", (uintmax_t)value);
	nic_user_stop(&nic);
}
