// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded: the function of libvirt's that MDR_HANG names never returns, in whatever
 * thread. The file MDR_HANG_FILE then says that it was called. If it is "uevents", there is
 * no such function, but reading uevents fails; if it is "flood", there is always one more.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libvirt/libvirt.h>

static void *pass(const char *name)
{
	const char *where = getenv("MDR_HANG");

	if (where && !strcmp(where, name)) {
		close(open(getenv("MDR_HANG_FILE"), O_WRONLY | O_CREAT, 0600));
		for (;;)
			pause();
	}
	return dlsym(RTLD_NEXT, name);
}

#define PASS(name) ((__typeof__(name) *)pass(#name))

virConnectPtr virConnectOpen(const char *name)
{
	return PASS(virConnectOpen)(name);
}

int virConnectListAllDomains(virConnectPtr connection, virDomainPtr **domains,
			     unsigned int flags)
{
	return PASS(virConnectListAllDomains)(connection, domains, flags);
}

char *virDomainGetXMLDesc(virDomainPtr domain, unsigned int flags)
{
	return PASS(virDomainGetXMLDesc)(domain, flags);
}

int virConnectClose(virConnectPtr connection)
{
	return PASS(virConnectClose)(connection);
}

void virEventUpdateTimeout(int timer, int timeout)
{
	PASS(virEventUpdateTimeout)(timer, timeout);
}

static const char flood[] = "change@/devices/virtual/mdev_recovery/group16\0MDR_STATE=open";

ssize_t recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *from,
		 socklen_t *length)
{
	const char *where = getenv("MDR_HANG");

	if (where && !strcmp(where, "uevents")) {
		errno = EIO;
		return -1;
	}
	if (where && !strcmp(where, "flood")) {
		memset(from, 0, *length);
		memcpy(buffer, flood, sizeof(flood));
		return sizeof(flood);
	}
	return PASS(recvfrom)(fd, buffer, size, flags, from, length);
}
