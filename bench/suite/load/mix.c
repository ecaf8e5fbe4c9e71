#include "load/mix.h"

#include "say.h"

#include <stdlib.h>
#include <string.h>

enum {
	RING_LEN = 1 << 20,
	HEADER_LEN = 12,
	OPT_LEN = 11,
	COOKIE_LEN = 12, /* option code, length, 8 octets of client cookie */
	UDP_OCTETS = 1232,
	UNIQUE_LABEL = 13,    /* "x" and 12 letters */
	NOTHING_OCTETS = 600, /* about what a signed denial takes */
};

static uint64_t draw(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15U); /* splitmix64 */
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

static double draw_unit(uint64_t *state)
{
	return (double)(draw(state) >> 11) * 0x1p-53;
}

/* The smallest n whose share of the sum of 1/i up to n is at least u. */
static uint32_t by_zipf(const double *sums, size_t count, double u)
{
	size_t low = 0;
	size_t high = count - 1;
	while (low < high) {
		const size_t middle = (low + high) / 2;
		if (sums[middle] < u * sums[count - 1]) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return (uint32_t)low;
}

/* Sums of 1/1 to 1/count, for by_zipf(); the caller's to free. */
static double *zipf_sums(size_t count)
{
	double *sums = calloc(count, sizeof(*sums));
	double sum = 0;
	for (size_t i = 0; sums != NULL && i < count; i++) {
		sum += 1.0 / (double)(i + 1);
		sums[i] = sum;
	}
	return sums;
}

static bool fill_zipf(struct mix *m)
{
	const size_t count = m->catalogue->count;
	double *sums = zipf_sums(count);
	if (sums == NULL) {
		return false;
	}
	for (size_t i = 0; i < m->ring_len; i++) {
		m->ring[i] = by_zipf(sums, count, draw_unit(&m->state));
	}
	free(sums);
	return true;
}

size_t mix_hot(const struct mix_options *o, size_t count)
{
	return o->hot < count / 2 ? o->hot : count / 2;
}

/* Ends where this part's misses do, so that the share stays what it is. */
static bool fill_sweep(struct mix *m)
{
	const struct mix_options *o = &m->options;
	const size_t count = m->catalogue->count;
	const size_t hot = mix_hot(o, count);
	const size_t size = (count - hot) / o->parts;
	size_t next = hot + o->part % o->parts * size;
	const size_t end = next + size;
	double *sums = zipf_sums(hot);
	size_t n = 0;
	for (; sums != NULL && n < m->ring_len; n++) {
		if (draw(&m->state) % SHARE_ALL >= o->miss_share) {
			m->ring[n] = by_zipf(sums, hot, draw_unit(&m->state));
		} else if (next < end) {
			m->ring[n] = (uint32_t)next++;
		} else {
			break;
		}
	}
	m->ring_len = n;
	free(sums);
	return n > 0;
}

static void fill_uniform(struct mix *m)
{
	for (size_t i = 0; i < m->ring_len; i++) {
		m->ring[i] = (uint32_t)(draw(&m->state) % m->catalogue->count);
	}
}

static void fill_once(struct mix *m, const uint8_t *skip)
{
	size_t n = 0;
	for (size_t i = 0; i < m->catalogue->count; i++) {
		if (skip == NULL || skip[i] == 0) {
			m->ring[n++] = (uint32_t)i;
		}
	}
	m->ring_len = n;
}

bool mix_init(struct mix *m, const struct catalogue *c, const struct mix_options *o,
	      const uint8_t *skip)
{
	*m = (struct mix){ .catalogue = c, .options = *o, .state = o->seed };
	if (o->order == ORDER_REPLAY) {
		m->ring_len = o->replay->count;
		return true;
	}
	m->ring_len = o->order == ORDER_ONCE ? c->count : RING_LEN;
	m->ring = calloc(m->ring_len, sizeof(*m->ring));
	bool ok = m->ring != NULL;
	if (ok && o->order == ORDER_ZIPF) {
		ok = fill_zipf(m);
	} else if (ok && o->order == ORDER_SWEEP) {
		ok = fill_sweep(m);
	} else if (ok && o->order == ORDER_UNIFORM) {
		fill_uniform(m);
	} else if (ok) {
		fill_once(m, skip);
	}
	if (!ok) {
		say_error("out of memory");
		mix_fini(m);
	}
	return ok;
}

void mix_fini(struct mix *m)
{
	free(m->ring);
	m->ring = NULL;
}

const struct event *mix_event(const struct mix *m)
{
	return m->options.order == ORDER_REPLAY && m->at < m->ring_len
		       ? &m->options.replay->events[m->at]
		       : NULL;
}

static bool next_event(struct mix *m, struct pick *out)
{
	const struct event *e = mix_event(m);
	if (e == NULL) {
		return false;
	}
	*out = (struct pick){ .entry = e->entry, .dnssec = e->dnssec, .cookie = e->cookie };
	m->at++;
	return true;
}

bool mix_next(struct mix *m, struct pick *out)
{
	const struct mix_options *o = &m->options;
	if (o->order == ORDER_REPLAY) {
		return next_event(m, out);
	}
	if (m->at == m->ring_len) {
		if (o->order == ORDER_ONCE || o->order == ORDER_SWEEP) {
			return false;
		}
		m->at = 0;
	}
	const uint64_t r = draw(&m->state);
	const unsigned kind = (unsigned)(r % SHARE_ALL);
	*out = (struct pick){
		.entry = m->ring[m->at++],
		.dnssec = (r >> 16) % SHARE_ALL < o->dnssec_share,
		.cookie = (r >> 32) % SHARE_ALL < o->cookie_share,
	};
	if (kind < o->nothing_share + o->flood_share) {
		out->unique = (uint32_t)(draw(&m->state) >> 32) | 1;
		out->entry = kind < o->flood_share ? m->ring[0] : out->entry;
	}
	/* the next question's octets are on their way while this one is written */
	const size_t ahead = m->at + 8 < m->ring_len ? m->at + 8 : 0;
	const struct entry *soon = &m->catalogue->entries[m->ring[ahead]];
	__builtin_prefetch(soon);
	return true;
}

static size_t write_name(const struct mix *m, const struct pick *p, uint8_t *out)
{
	const struct entry *e = &m->catalogue->entries[p->entry];
	if (p->unique == 0) {
		memcpy(out, m->catalogue->names + e->name, e->name_len);
		return e->name_len;
	}
	const struct origin *o = &m->catalogue->origins[e->origin];
	out[0] = UNIQUE_LABEL;
	out[1] = 'x';
	uint64_t bits = (uint64_t)p->unique * 0x9e3779b97f4a7c15U;
	for (unsigned i = 2; i <= UNIQUE_LABEL; i++) {
		out[i] = (uint8_t)('a' + bits % 26);
		bits /= 26;
	}
	memcpy(out + 1 + UNIQUE_LABEL, o->name, o->len);
	return 1U + UNIQUE_LABEL + o->len;
}

/* RFC 6891 6.1.2 and RFC 7873 4 */
static size_t write_opt(const struct pick *p, uint8_t *out)
{
	const uint8_t opt[OPT_LEN] = { 0,
				       0,
				       41,
				       UDP_OCTETS >> 8,
				       UDP_OCTETS & 0xff,
				       0,
				       0,
				       (uint8_t)(p->dnssec ? 0x80 : 0),
				       0,
				       0,
				       (uint8_t)(p->cookie ? COOKIE_LEN : 0) };
	static const uint8_t cookie[COOKIE_LEN] = { 0,   10,  0,   8,   'b', 'e',
						    'n', 'c', 'h', 'i', 'n', 'g' };
	memcpy(out, opt, sizeof(opt));
	if (!p->cookie) {
		return sizeof(opt);
	}
	memcpy(out + sizeof(opt), cookie, sizeof(cookie));
	return sizeof(opt) + sizeof(cookie);
}

size_t mix_write(const struct mix *m, const struct pick *p, uint16_t id,
		 uint8_t out[static QUERY_MAX])
{
	const uint16_t type = m->catalogue->entries[p->entry].type;
	const bool opt = p->dnssec || p->cookie;
	const uint8_t header[HEADER_LEN] = {
		(uint8_t)(id >> 8), (uint8_t)id, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, (uint8_t)opt
	};
	memcpy(out, header, sizeof(header));
	size_t len = sizeof(header) + write_name(m, p, out + sizeof(header));
	out[len++] = (uint8_t)(type >> 8);
	out[len++] = (uint8_t)type;
	out[len++] = 0;
	out[len++] = 1;
	return opt ? len + write_opt(p, out + len) : len;
}

size_t mix_answer_octets(const struct mix *m, const struct pick *p)
{
	const struct entry *e = &m->catalogue->entries[p->entry];
	if (p->unique != 0) {
		return p->dnssec ? NOTHING_OCTETS : NOTHING_OCTETS / 6;
	}
	return p->dnssec ? e->dnssec_octets : e->plain_octets;
}
