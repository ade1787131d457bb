// SPDX-License-Identifier: GPL-2.0-only
/* splitmix64: small, and the same everywhere. */
#include <time.h>

#include "soak.h"

void random_seed(struct soak_random *r, uint64_t seed, uint64_t stream)
{
	r->state = seed * 0x9e3779b97f4a7c15ull + stream;
	random_next(r);
}

uint64_t random_next(struct soak_random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

unsigned int random_below(struct soak_random *r, unsigned int n)
{
	return random_next(r) % n;
}

void random_sleep(struct soak_random *r, unsigned int max_us)
{
	/* each power of two is as likely as the others */
	unsigned int bits = random_below(r, 32 - __builtin_clz(max_us | 1)) + 1;
	uint64_t ns = (random_next(r) & ((1ull << bits) - 1)) * 1000;
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	nanosleep(&ts, NULL);
}
