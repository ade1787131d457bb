// SPDX-License-Identifier: GPL-2.0-only
/*
 * verify FILE...: checks the files that the guest wrote, in their order, and says how
 * much was right. Exit code 1 if a file is wrong.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "pattern.h"

int main(int argc, char **argv)
{
	static uint64_t buf[8192];
	size_t total = 0, wrong = 0;

	for (int i = 1; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);
		uint64_t offset = 0;
		ssize_t n;

		while ((n = read(fd, buf, sizeof(buf))) > 0) {
			wrong += pattern_wrong(buf, n, i - 1, offset);
			offset += n;
		}
		if (n < 0 || !offset) {
			perror(argv[i]);
			return 1;
		}
		total += offset;
		close(fd);
	}
	printf("files=%d mib=%zu wrong=%zu\n", argc - 1, total >> 20, wrong);
	return wrong || argc == 1;
}
