/*
 * Role messages: any octets as a frame, as they are and with the header's first
 * fields made right, so that what stands behind them is reached; then the question in it.
 */
#include "fairlead/ipc/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void view(const uint8_t *octets, size_t len)
{
	struct fl_frame f;
	const uint8_t *name;
	size_t name_len;
	uint16_t qtype, qclass;
	if (fl_frame_parse(octets, len, &f) != FL_OK) {
		return;
	}
	volatile uint8_t sum = 0; /* every octet that the view promises can be read */
	for (size_t i = 0; i < f.h.text_len; i++) {
		sum = (uint8_t)(sum ^ f.text[i]);
	}
	for (size_t i = 0; i < f.h.packet_len; i++) {
		sum = (uint8_t)(sum ^ f.packet[i]);
	}
	if (fl_frame_question(&f, &name, &name_len, &qtype, &qclass) == FL_OK &&
	    (name_len == 0 || name_len > 255)) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > FL_FRAME_MAX) {
		return 0;
	}
	uint8_t *copy = malloc(size + 1); /* exact room, so that a read beyond it is seen */
	if (copy == NULL) {
		return 0;
	}
	memcpy(copy, data, size);
	view(copy, size);
	if (size >= sizeof(struct fl_frame_header)) {
		const struct fl_frame good = fl_frame_init(FL_FRAME_QUESTION);
		memcpy(copy, &good.h, offsetof(struct fl_frame_header, kind));
		memcpy(copy + offsetof(struct fl_frame_header, build_id), &good.h.build_id,
		       sizeof(good.h.build_id));
		view(copy, size);
	}
	free(copy);
	return 0;
}
