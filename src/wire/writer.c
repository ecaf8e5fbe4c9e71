#include "fairlead/wire/writer.h"

#include <assert.h>
#include <string.h>

struct fl_writer fl_writer_init(uint8_t *buf, size_t cap)
{
	return (struct fl_writer){ .buf = buf, .cap = cap };
}

/* Room for n octets, or NULL and a poisoned writer. */
static uint8_t *room(struct fl_writer *w, size_t n)
{
	assert(w->len <= w->cap);
	if (w->err != FL_OK) {
		return NULL;
	}
	if (n > w->cap - w->len) {
		w->err = FL_ENOSPACE;
		return NULL;
	}
	uint8_t *at = w->buf + w->len;
	w->len += n;
	return at;
}

void fl_writer_u8(struct fl_writer *w, uint8_t v)
{
	uint8_t *at = room(w, 1);
	if (at != NULL) {
		*at = v;
	}
}

void fl_writer_u16(struct fl_writer *w, uint16_t v)
{
	uint8_t *at = room(w, 2);
	if (at != NULL) {
		fl_store_u16(at, v);
	}
}

void fl_writer_u32(struct fl_writer *w, uint32_t v)
{
	uint8_t *at = room(w, 4);
	if (at != NULL) {
		fl_store_u32(at, v);
	}
}

void fl_writer_octets(struct fl_writer *w, const void *from, size_t n)
{
	uint8_t *at = room(w, n);
	if (at != NULL && n > 0) { /* memcpy of nothing still wants valid pointers */
		memcpy(at, from, n);
	}
}

void fl_writer_patch_u16(struct fl_writer *w, size_t at, uint16_t v)
{
	if (w->err != FL_OK) {
		return; /* what was to be patched may never have been written */
	}
	assert(w->len >= 2 && at <= w->len - 2);
	fl_store_u16(w->buf + at, v);
}
