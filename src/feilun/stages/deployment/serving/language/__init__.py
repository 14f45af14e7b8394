"""A language model over HTTP, in the form of OpenAI's API: texts, chats, embeddings."""
