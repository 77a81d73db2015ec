"""OpenAI's Images API. https://developers.openai.com/api/reference/resources/images"""
