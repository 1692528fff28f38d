"""Each audience's routes and words, above the service: nobody else knows both it and HTTP."""
