// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of who opens a function: this user, one that was named, or the QEMU of a domain of
 * libvirt's. May it open the file of the group or of the device, and lock the memory of the
 * VM? What AppArmor or SELinux allow is not looked at.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "doctor.h"
#include "files.h"
#include "nodes.h"
#include "opener.h"
#include "users.h"

#define HOST "host"
#define MIB 1048576
#define PID_FILE "/run/libvirt/qemu/%s.pid"
#define QEMU_CONF "/etc/libvirt/qemu.conf"

/* The files that are there; "" for the others. */
static void find_nodes(const struct mdr *mdr, const struct mdr_function *function,
		       struct nodes *nodes)
{
	nodes_of(mdr, function, nodes);
	if (!has_file(mdr, "%s", nodes->group + 1))
		*nodes->group = 0;
	/* not every kernel gives a device a number */
	if (*nodes->device &&
	    !has_file(mdr, "sys/bus/pci/devices/%s/vfio-dev/%s/dev",
		      mdr_function_address(function), strrchr(nodes->device, '/') + 1))
		*nodes->device = 0;
}

/*
 * Fills in the files by which it may open the function, or those by which it may not, "" if
 * there are none. Returns as opener_may_open().
 */
static int may_open(const struct mdr *mdr, const struct opener *opener,
		    const struct mdr_function *function, char files[128])
{
	struct nodes nodes;
	int ret = 0;

	find_nodes(mdr, function, &nodes);
	snprintf(files, 128, "%s", nodes.group);
	if (*nodes.group)
		ret = opener_may_open(mdr, opener, nodes.group);
	if (ret || !*nodes.device)
		return ret;
	ret = opener_may_open(mdr, opener, nodes.device);
	if (ret > 0)
		ret = opener_may_open(mdr, opener, "/dev/iommu");
	if (ret > 0 || !*nodes.group)
		snprintf(files, 128, "%s and /dev/iommu", nodes.device);
	return ret;
}

/* Without one of the files no user can open the device. */
void exam_node(struct exam *exam, const struct mdr_function *function)
{
	const char *address = mdr_function_address(function);
	const char *name = exam->opener ? exam->opener->name : "this user";
	char files[128];
	int may;

	if (mdr_function_group(function) < 0)
		return;
	may = may_open(exam->cli->mdr, exam->opener, function, files);
	if (!*files)
		find(exam, LEVEL_WARN, "node", address, "it comes with an mdev: mdrctl create",
		     "there is no /dev/vfio/%d, by which a user opens it",
		     mdr_function_group(function));
	else if (may <= 0)
		find(exam, exam->opener ? LEVEL_FAIL : LEVEL_WARN, "node", address,
		     "give it to the user of QEMU with a udev rule; libvirt does so by itself",
		     "%s may not open %s", name, files);
	else if (exam->opener)
		find(exam, LEVEL_PASS, "node", address, NULL, "%s may open %s", name, files);
	else
		find(exam, LEVEL_PASS, "node", address, NULL, "%s %s there", files,
		     strchr(files, ' ') ? "are" : "is");
}

/* The limit of this process, which also applies to a VM that its user starts. */
static int own_memlock(uint64_t *bytes)
{
	struct rlimit limit;

	if (!geteuid() || getrlimit(RLIMIT_MEMLOCK, &limit))
		return -ENOENT;
	*bytes = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
	return 0;
}

void exam_memlock(struct exam *exam)
{
	const char *name = exam->opener ? exam->opener->name : "this user";
	uint64_t bytes;
	int ret;

	ret = exam->opener ? opener_user_memlock(exam->cli->mdr, exam->opener, &bytes) :
			     own_memlock(&bytes);
	if (ret && exam->opener)
		find(exam, LEVEL_WARN, "memlock", HOST, "ulimit -l, as that user",
		     "how much memory %s may lock is not known", name);
	else if (!ret && bytes == UINT64_MAX)
		find(exam, LEVEL_PASS, "memlock", HOST, NULL, "%s may lock any memory", name);
	else if (!ret)
		find(exam, LEVEL_WARN, "memlock", HOST,
		     "raise memlock in /etc/security/limits.d to more than the memory of its VM",
		     "%s may lock %llu MiB; a QEMU of its own needs all memory of its VM", name,
		     (unsigned long long)bytes / MIB);
}

/* What mdr-agent says of the QEMU of a domain, and what is found of its process. */
struct qemu {
	const char *domain;
	struct json_object *mdevs;	/* their UUIDs */
	uint64_t memory;		/* of the VM, in bytes */
	char pid[16];			/* "" if it does not run */
	struct opener opener;
};

static void check_qemu_memlock(struct exam *exam, const struct qemu *qemu)
{
	uint64_t bytes;

	/* libvirt raises the limit when it attaches a device */
	if (!json_object_array_length(qemu->mdevs))
		return;
	if (opener_process_memlock(exam->cli->mdr, qemu->pid, &bytes))
		find(exam, LEVEL_WARN, "memlock", qemu->domain, "run it as root",
		     "how much memory its QEMU may lock is not known");
	else if (bytes == UINT64_MAX)
		find(exam, LEVEL_PASS, "memlock", qemu->domain, NULL,
		     "its QEMU may lock any memory");
	else
		find(exam, bytes < qemu->memory ? LEVEL_FAIL : LEVEL_PASS, "memlock", qemu->domain,
		     bytes < qemu->memory ?
		     "set <hard_limit> in <memtune> to more than its memory, and restart it" : NULL,
		     "its QEMU may lock %llu MiB, and its VM has %llu MiB",
		     (unsigned long long)bytes / MIB, (unsigned long long)qemu->memory / MIB);
}

/* Of a domain that runs, or of one whose files nobody gives to its user. */
static void check_qemu_node(struct exam *exam, const struct qemu *qemu, const char *uuid,
			    const struct mdr_function *function)
{
	const struct mdr *mdr = exam->cli->mdr;
	const char *name = qemu->opener.name;
	char files[128];
	int may;

	if (*qemu->pid && users_is(mdr, function, qemu->pid)) {
		find(exam, LEVEL_PASS, "node", uuid, NULL, "the QEMU of %s has it open",
		     qemu->domain);
		return;
	}
	may = may_open(mdr, &qemu->opener, function, files);
	if (!*files)
		find(exam, LEVEL_FAIL, "node", uuid, "see the kernel log",
		     "there is no /dev/vfio/%d, by which a user opens it",
		     mdr_function_group(function));
	else if (may == -EPERM)
		find(exam, LEVEL_WARN, "node", uuid, "run it as root",
		     "whether %s may open %s is not known", name, files);
	else if (may)
		find(exam, LEVEL_PASS, "node", uuid, NULL, "%s may open %s", name, files);
	else
		find(exam, LEVEL_FAIL, "node", uuid,
		     *qemu->pid ? "detach it and attach it again: libvirt gives the file to QEMU" :
				  "give it to the user of QEMU with a udev rule",
		     "%s may not open %s", name, files);
}

static void check_qemu_nodes(struct exam *exam, const struct qemu *qemu)
{
	for (size_t i = 0; i < json_object_array_length(qemu->mdevs); i++) {
		const char *uuid =
			json_object_get_string(json_object_array_get_idx(qemu->mdevs, i));
		struct mdr_function *function;
		struct mdr_mdev *mdev;

		if (!uuid || mdr_mdev_get(exam->cli->mdr, uuid, &mdev))
			continue;
		if (!mdr_function_get(exam->cli->mdr, mdr_mdev_function(mdev), &function)) {
			check_qemu_node(exam, qemu, uuid, function);
			mdr_function_free(function);
		}
		mdr_mdev_free(mdev);
	}
}

/* Does libvirt's daemon give the files of a device to the user of QEMU? */
static bool libvirt_gives_files(const struct mdr *mdr)
{
	char path[PATH_MAX], line[256];
	int gives = 1;
	FILE *file;

	snprintf(path, sizeof(path), "%s" QEMU_CONF, mdr_root(mdr));
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, " dynamic_ownership = %d", &gives);
	if (file)
		fclose(file);
	return gives;
}

/* user: "+64055:+64055", as libvirt writes it, or NULL */
static void exam_stopped(struct exam *exam, struct qemu *qemu, const char *user)
{
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(user, ":"), user);
	if (!*name || opener_of_user(exam->cli->mdr, name, &qemu->opener)) {
		find(exam, LEVEL_WARN, "qemu", qemu->domain, "see the user in " QEMU_CONF,
		     "the user of its QEMU is not known");
		return;
	}
	if (libvirt_gives_files(exam->cli->mdr)) {
		find(exam, LEVEL_PASS, "qemu", qemu->domain, NULL,
		     "its QEMU will run as %s, and libvirt will give it the files of its devices",
		     qemu->opener.name);
		return;
	}
	find(exam, LEVEL_PASS, "qemu", qemu->domain, NULL, "its QEMU will run as %s",
	     qemu->opener.name);
	check_qemu_nodes(exam, qemu);
}

/* Its number is in a file of libvirt's, which is named after the domain. */
static bool find_process(const struct mdr *mdr, struct qemu *qemu)
{
	char *pid = strchr(qemu->domain, '/') ? NULL : read_text(mdr, PID_FILE + 1, qemu->domain);
	uint64_t number;
	bool found;

	found = pid && number_parse(pid, INT32_MAX, &number);
	if (found)
		snprintf(qemu->pid, sizeof(qemu->pid), "%llu", (unsigned long long)number);
	free(pid);
	return found && !opener_of_process(mdr, qemu->pid, &qemu->opener);
}

void exam_qemu(struct exam *exam, struct json_object *tree)
{
	struct qemu qemu = {
		.domain = get_text(tree, "domain"),
		.mdevs = get_list(tree, "mdevs"),
		.memory = get_number(tree, "memory_kib") << 10,
	};

	if (!*qemu.domain || !json_object_is_type(qemu.mdevs, json_type_array))
		return;
	if (!json_object_get_boolean(get_list(tree, "running"))) {
		exam_stopped(exam, &qemu, get_text(tree, "user"));
		return;
	}
	if (!find_process(exam->cli->mdr, &qemu)) {
		find(exam, LEVEL_WARN, "qemu", qemu.domain, "run it as root",
		     "the process of its QEMU is not found by " PID_FILE, qemu.domain);
		return;
	}
	find(exam, LEVEL_PASS, "qemu", qemu.domain, NULL, "its QEMU (%s) runs as %s", qemu.pid,
	     qemu.opener.name);
	check_qemu_memlock(exam, &qemu);
	check_qemu_nodes(exam, &qemu);
}
