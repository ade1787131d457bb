// SPDX-License-Identifier: GPL-2.0-only
/* peer ADDRESS: sends back what comes in on port 7 of ADDRESS, for ever. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void echo(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		if (send(fd, buf, n, MSG_NOSIGNAL) != n)
			break;
}

int main(int argc, char **argv)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(7) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1, conn;

	if (argc != 2 || inet_pton(AF_INET, argv[1], &in.sin_addr) != 1) {
		fprintf(stderr, "usage: peer ADDRESS\n");
		return 2;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) || listen(fd, 8)) {
		perror(argv[1]);
		return 1;
	}
	while ((conn = accept(fd, NULL, NULL)) >= 0) {
		if (!fork()) {
			echo(conn);
			return 0;
		}
		close(conn);
	}
	return 1;
}
